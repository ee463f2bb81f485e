"""Benchmarks of the chat: run them with script/bench."""
