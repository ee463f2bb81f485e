"""The project's settings, with the heartbeat that all servers of a benchmark share."""

import os

from chatproject.settings import *  # noqa: F403 - all of them
from chatproject.settings import SOCKETIO as PROJECT_SOCKETIO

SOCKETIO = PROJECT_SOCKETIO | {"PING_INTERVAL": float(os.environ["BENCH_HEARTBEAT"])}
