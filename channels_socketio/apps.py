"""Django's entry to the app."""

from django.apps import AppConfig
from django.core import checks


class ChannelsSocketIOConfig(AppConfig):
    """Socket.IO on Channels."""

    name = "channels_socketio"
    verbose_name = "Socket.IO"

    def ready(self) -> None:
        """Register the system checks, and watch login sessions and users."""
        from . import signals
        from .checks import check_layer, check_options, check_packages

        signals.install()
        checks.register(check_options)
        checks.register(check_packages)
        checks.register(check_layer)
