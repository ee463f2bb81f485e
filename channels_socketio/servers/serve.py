"""uvicorn, tuned for many long-lived connections.

What differs from its defaults, and why: ready frames (see uvicorn_frames); no WebSocket compression,
which costs a deflate for each client where one encoding serves all; no WebSocket ping, for Engine.IO has
its own; no reading of X-Forwarded-For, which uvicorn believes of whoever is at 127.0.0.1 (see addresses); uvloop and
httptools; a backlog for connect storms; no access log and no line for each connection, which would hold engine ids.

The garbage collector's full runs visit every object of every connection while nobody is served: with
thousands of connections that is a third of what a connect costs. What lives as long as the process is
frozen out of its sight, and it looks for cycles in the rest less often.
"""

import errno
import gc
import resource
import signal
import socket
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.supervisors import multiprocess

from ..connections.runtime import current_runtime
from ..protocol.reasons import Reason

BACKLOG = 4096
SOCKET_MODE = 0o666  # a proxy is another user; the folder of a Unix socket says who may reach it
PROBE_SECONDS = 1.0  # until who listens at a Unix socket counts as living
CLOSE_SECONDS = 3.0  # that Socket.IO's connections have to end in good order
GRACE_SECONDS = 10  # that uvicorn gives to whatever else is being answered
GC_THRESHOLDS = (50_000, 20, 100)
HTTP_PROTOCOL = "channels_socketio.servers.uvicorn_upgrade:UpgradeProtocol"
FRAMES_PROTOCOL = "channels_socketio.servers.uvicorn_frames:FramesProtocol"


class TunedConfig(uvicorn.Config):
    """A uvicorn configuration that keeps the garbage collector off what stays, in every worker."""

    def load(self) -> None:
        """Part of uvicorn's class: load the application; no connection has come yet."""
        super().load()
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)


class ClosingServer(uvicorn.Server):
    """A server that ends with status 0 and says goodbye to Socket.IO's clients before it stops listening.

    uvicorn by itself knows nothing of acks that are on their way, and waits for polls that are held.
    """

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Part of uvicorn's class: a signal has come."""
        await current_runtime().close(Reason.SERVER_SHUTTING_DOWN, CLOSE_SECONDS)
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Part of uvicorn's class, which raises the signal once more at the end: a process that obeyed did not fail."""
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True


class Worker(multiprocess.Process):
    """One of several processes that serve."""

    @property
    def server(self) -> uvicorn.Server:
        """Part of uvicorn's class: the server that runs in the child."""
        if self._server is None:
            self._server = ClosingServer(self.config)
        return self._server


def open_listener(host: str, port: int | None) -> socket.socket:
    """Return a socket that listens at an address, or at the path `host` without a port.

    Raises OSError and UnicodeError.
    """
    family = socket.AF_UNIX if port is None else socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    try:
        if port is None:
            path = Path(host)
            listener.settimeout(PROBE_SECONDS)
            if path.is_socket() and listener.connect_ex(host) == errno.ECONNREFUSED:
                path.unlink()  # a process that is gone has left it behind
            listener.bind(host)
            path.chmod(SOCKET_MODE)
        else:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, port))
        listener.listen(BACKLOG)
        listener.settimeout(None)
    except (OSError, UnicodeError):
        listener.close()
        raise
    listener.set_inheritable(True)
    return listener


def serve(application: str, listener: socket.socket, workers: int, **options: Any) -> None:
    """Serve `application` ("module:name") until SIGINT or SIGTERM; `options` go to uvicorn.Config."""
    settings: dict[str, Any] = {
        "workers": workers,
        "loop": "uvloop",
        "http": HTTP_PROTOCOL,
        "ws": FRAMES_PROTOCOL,
        "ws_per_message_deflate": False,
        "ws_ping_interval": None,
        "lifespan": "auto",
        "backlog": BACKLOG,
        "access_log": False,
        "log_config": None,
        "log_level": "warning",
        "proxy_headers": False,
        "timeout_graceful_shutdown": GRACE_SECONDS,
    }
    config = TunedConfig(application, **settings | options)
    if workers == 1:
        ClosingServer(config).run(sockets=[listener])
    else:
        # The supervisor takes its workers' class from its module; there is no other way to give it one.
        multiprocess.Process = Worker  # type: ignore[misc]
        multiprocess.Multiprocess(config, [listener]).run()


def raise_file_limit() -> int:
    """Allow as many open files as the system lets this process have; return how many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
