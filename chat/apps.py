"""The chat as a Django app."""

from django.apps import AppConfig
from django.core import checks


class ChatConfig(AppConfig):
    """The product: visitors, login sessions, rooms and messages."""

    name = "chat"

    def ready(self) -> None:
        """Forbid usernames that could be taken for a guest's number, check the settings, offer figures."""
        from chat import limits, metrics, users

        users.install()
        metrics.install()
        checks.register(limits.check_limits)
