"""Django's admin as the console of a live chat: who is here, what is said, and the means to moderate it."""

from chat.admin import addresses, connections, messages, rooms, sessions, visitors

__all__ = ["addresses", "connections", "messages", "rooms", "sessions", "visitors"]
