"""The chat as a Django app."""

from django.apps import AppConfig


class ChatConfig(AppConfig):
    """The product: visitors, login sessions, rooms and messages."""

    name = "chat"

    def ready(self) -> None:
        """Forbid usernames that could be taken for a guest's number."""
        from chat import users

        users.install()
