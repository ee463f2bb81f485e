"""What docs/howto/deployment.md says."""

from channels.layers import get_channel_layer
from django.conf import settings
from django.core.checks import run_checks

from channels_socketio.fanout.backplane import crosses_processes


def test_the_settings_are_in_order() -> None:
    found = run_checks(include_deployment_checks=True)
    assert [message for message in found if message.is_serious() and message.id != "security.W004"] == []
    assert "mysite" in settings.INSTALLED_APPS
    assert crosses_processes(get_channel_layer())
