"""A channel layer that loses and repeats news, for CHANNEL_LAYERS in the settings of a test's server."""

import random
from typing import Any

from channels_redis.pubsub import RedisPubSubChannelLayer


class LossyLayer(RedisPubSubChannelLayer):  # type: ignore[misc]  # channels_redis has no types
    """Loses a third of the messages and repeats another, the same ones for the same seed."""

    def __init__(self, seed: str, **config: Any) -> None:
        super().__init__(**config)
        self._random = random.Random(seed)

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        """Send a message not at all, once or twice."""
        group_send = self.__getattr__("group_send")  # the parent has no methods, but one layer for each event loop
        for _ in range(self._random.choice([0, 1, 2])):
            await group_send(group, message)
