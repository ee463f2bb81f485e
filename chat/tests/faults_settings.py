"""The project's settings for servers whose network, layer and processes fail: LOSSES is the seed of the lossy layer.

Dead links are found in little more than a second. Private ids are soon too old, and few missed messages are sent
again, so that clients do not only recover but also come back as new ones, and are told of gaps.
"""

import os

from chatproject.settings import *  # noqa: F403 - all of them
from chatproject.settings import REDIS_URLS
from chatproject.settings import SOCKETIO as PROJECT_SOCKETIO

SOCKETIO = PROJECT_SOCKETIO | {
    "PING_INTERVAL": 0.6,
    "PING_TIMEOUT": 0.6,
    "RECOVERY_SECONDS": 6.0,
    "RECOVERY_LIMIT": 40,
}
if REDIS_URLS:
    CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_socketio.tests.support.lossy_layer.LossyLayer",
            "CONFIG": {"seed": os.environ["LOSSES"], "hosts": REDIS_URLS},
        }
    }
