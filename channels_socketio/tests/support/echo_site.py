"""Processes that serve `support/echo_app.py`."""

import json
from collections.abc import Mapping
from pathlib import Path

from channels_socketio.tests.support.processes import AppProcess

APPLICATION = "channels_socketio.tests.support.echo_app:application"


class EchoApp(AppProcess):
    """One server process; `options` are those of SOCKETIO."""

    def __init__(
        self, folder: Path, server: str, options: Mapping[str, object], env: Mapping[str, str] | None = None
    ) -> None:
        settings = {"DJANGO_SETTINGS_MODULE": "channels_socketio.tests.settings", "OPTIONS": json.dumps(options)}
        super().__init__(APPLICATION, folder, server, settings | dict(env or {}))
