"""Faster ways through particular ASGI servers. Everything works without them, at the pace of plain ASGI."""

# In `scope["extensions"]`: a function that writes whole WebSocket frames, given as bytes, to the client.
FRAMES_EXTENSION = "channels_socketio.frames"
