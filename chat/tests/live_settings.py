"""The project's settings with short leases, so that a process that was killed is soon known to be dead."""

from chatproject.settings import *  # noqa: F403 - all of them

CHAT_HEARTBEAT = 0.5
CHAT_LEASE = 3.0
