"""The production server: `manage.py serve [--bind HOST:PORT] [--workers N]`."""

import argparse
import os
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files import locks
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from channels_socketio.servers.serve import raise_file_limit, serve

FEW_FILES = 10_000


def address(text: str) -> tuple[str, int]:
    """Return host and port of `HOST:PORT`; raises ArgumentTypeError."""
    host, colon, port = text.rpartition(":")
    if not host or not colon or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise argparse.ArgumentTypeError(f"expected HOST:PORT, got {text!r}")
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
    """Serves the site with uvicorn; manage.py turns DEBUG off for it unless the environment says otherwise."""

    help = "Serves the site in production: uvicorn, tuned."
    requires_migrations_checks = True

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--bind", type=address, default=("127.0.0.1", 8000), metavar="HOST:PORT")
        parser.add_argument("--workers", type=positive, default=1, metavar="N")

    def handle(self, *args: Any, bind: tuple[str, int], workers: int, **options: Any) -> None:
        """Check that this is fit for production, collect the static files, serve."""
        if settings.DEBUG:
            raise CommandError("DEBUG: expected off for serve, got on. Unset it or say DEBUG=off.")
        if workers > 1 and not settings.REDIS_URLS:
            raise CommandError("REDIS_URL: expected an address, for workers reach each other by Redis; got nothing.")
        collect_static()
        files = raise_file_limit()
        self.tell(bind, workers, files)
        module, _, name = settings.ASGI_APPLICATION.rpartition(".")
        try:
            serve(f"{module}:{name}", *bind, workers)
        except OSError as error:
            raise CommandError(f"--bind: expected an address to listen on: {error}") from error

    def tell(self, bind: tuple[str, int], workers: int, files: int) -> None:
        """Print what is going to run, and what may be in its way."""
        host, port = bind
        layer = "Redis" if settings.REDIS_URLS else "memory, this process only"
        engine = settings.DATABASES["default"]["ENGINE"].rpartition(".")[2]
        self.stdout.write(
            f"Serving http://{host}:{port}/ with {workers} worker(s); database: {engine}; news by: {layer}."
        )
        if not settings.LIMITS:
            self.stdout.write("LIMITS is off: nothing bounds rates and connections. For load tests only.")
        if files < FEW_FILES:
            self.stdout.write(f"At most {files} open files, one for each connection: raise it with ulimit -n.")
