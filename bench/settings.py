"""The project's settings, with the heartbeat that all servers of a benchmark share.

Where limits are on, one address has room for all clients, and one login session for the sockets of `flood`.
"""

import os

from bench.options import FLOOD_SOCKETS
from chatproject.settings import *  # noqa: F403 - all of them
from chatproject.settings import LOGGING
from chatproject.settings import SOCKETIO as PROJECT_SOCKETIO

SOCKETIO = PROJECT_SOCKETIO | {
    "PING_INTERVAL": float(os.environ["BENCH_HEARTBEAT"]),
    "CONNECTIONS_PER_ADDRESS": 10_000,
    "CONNECTIONS_PER_SESSION": FLOOD_SOCKETS,
}
LOGGING["root"] = {"handlers": ["console"], "level": "ERROR"}  # a flood is told of at length
