"""The production server for any site: `manage.py serve [--bind HOST:PORT or unix:PATH] [--workers N]`."""

import argparse
import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from channels.layers import get_channel_layer
from django.apps import apps
from django.conf import settings
from django.core.files import locks
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from ...fanout.backplane import crosses_processes
from ...options import Options, load

FEW_FILES = 10_000
PACKAGES = ("uvicorn", "uvloop", "httptools", "websockets")  # of the extra `serve`


def address(text: str) -> tuple[str, int | None]:
    """Return host and port of `HOST:PORT`, or path and None of `unix:PATH`; raises ArgumentTypeError."""
    if (path := text.removeprefix("unix:")) != text and path:
        return path, None
    host, colon, port = text.rpartition(":")
    if not host or not colon or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise argparse.ArgumentTypeError(f"expected HOST:PORT or unix:PATH, got {text!r}")
    return host.strip("[]"), int(port)


def positive(text: str) -> int:
    """Return a whole number above 0; raises ArgumentTypeError."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, got {text!r}")
    return int(text)


def collect_static() -> None:
    """Collect the static files; servers that start at once take turns, for they write the same ones."""
    Path(settings.STATIC_ROOT).mkdir(parents=True, exist_ok=True)
    folder = os.open(settings.STATIC_ROOT, os.O_RDONLY)
    try:
        locks.lock(folder, locks.LOCK_EX)
        call_command("collectstatic", interactive=False, verbosity=0)
    finally:
        os.close(folder)  # and with it the lock


class Command(BaseCommand):
    """Serves the site with uvicorn, as `servers/serve.py` says."""

    help = "Serves the site in production: uvicorn, tuned."
    requires_migrations_checks = True

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--bind", type=address, default=("127.0.0.1", 8000), metavar="HOST:PORT")
        parser.add_argument("--workers", type=positive, default=1, metavar="N")

    def handle(self, *args: Any, bind: tuple[str, int | None], workers: int, **options: Any) -> None:
        """Check that this is fit for production, collect the static files, serve."""
        if settings.DEBUG:
            raise CommandError("DEBUG: expected off for serve, got on. Unset it or say DEBUG=off.")
        if missing := [name for name in PACKAGES if find_spec(name) is None]:
            raise CommandError(
                f"expected {', '.join(missing)} to be installed: pip install 'channels-socketio[serve]'."
            )
        module, _, name = (getattr(settings, "ASGI_APPLICATION", None) or "").rpartition(".")
        if not module:
            raise CommandError("ASGI_APPLICATION: expected the site's ASGI application, got nothing.")
        if workers > 1 and not crosses_processes(get_channel_layer()):
            expected = "a channel layer that reaches other processes, such as channels_redis"
            raise CommandError(f"CHANNEL_LAYERS: expected {expected}, for --workers {workers}.")
        if apps.is_installed("django.contrib.staticfiles") and settings.STATIC_ROOT:
            try:
                collect_static()
            except OSError as error:
                raise CommandError(f"STATIC_ROOT: expected a folder to write to: {error}") from error
        from ...servers.serve import open_listener, raise_file_limit, serve

        files = raise_file_limit()
        try:
            listener = open_listener(*bind)
        except (OSError, UnicodeError) as error:
            raise CommandError(f"--bind: expected an address to listen on: {error}") from error
        self.tell(bind, workers, files)
        serve(f"{module}:{name}", listener, workers)

    def tell(self, bind: tuple[str, int | None], workers: int, files: int) -> None:
        """Print what is going to run, and what may be in its way."""
        host, port = bind
        place = f"unix:{host}" if port is None else f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        layer = get_channel_layer()
        reach = "this process only" if layer is None else type(layer).__name__
        self.stdout.write(f"Serving {place} with {workers} worker(s); channel layer: {reach}.")
        if not load(Options, getattr(settings, "SOCKETIO", {})).limits:
            self.stdout.write("LIMITS is off: nothing bounds rates and connections. For load tests only.")
        if files < FEW_FILES:
            self.stdout.write(f"At most {files} open files, one for each connection: raise it with ulimit -n.")
        self.stdout.flush()
