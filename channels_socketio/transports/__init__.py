"""The ways to a client: long polling over HTTP, and WebSocket."""
