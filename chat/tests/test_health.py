"""Readiness: parts that refuse, parts that say nothing, and what asking leaves behind."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from channels.layers import InMemoryChannelLayer, get_channel_layer
from django.db import connections
from pytest_django import Settings

from channels_socketio.tests.support.processes import Redis, free_port
from chat import health

pytestmark = pytest.mark.django_db(transaction=True)


class SilentLayer(InMemoryChannelLayer):
    """A channel layer that loses every message."""

    async def send(self, channel: str, message: dict[str, Any]) -> None:
        """Drop the message."""


@pytest.fixture
def no_database() -> Iterator[None]:
    """A database file in a folder that does not exist."""
    parameters = connections["default"].settings_dict
    name = parameters["NAME"]
    connections["default"].close()
    parameters["NAME"] = "/nowhere/at/all.sqlite3"
    yield
    parameters["NAME"] = name


async def test_ready() -> None:
    assert await health.failures() == []


async def test_asking_leaves_no_channel_behind() -> None:
    layer = get_channel_layer()
    assert isinstance(layer, InMemoryChannelLayer)
    await health.failures()
    assert layer.channels == {}


async def test_asking_redis_leaves_no_subscription_behind(settings: Settings, tmp_path: Path) -> None:
    redis = Redis(tmp_path).start()
    settings.CHANNEL_LAYERS = {
        "default": {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": {"hosts": [redis.url]}}
    }
    layer: Any = get_channel_layer()
    try:
        assert await health.failures() == []
        assert layer.channels == {}
    finally:
        await layer.flush()
        redis.stop()
    assert await health.failures() == ["channel layer"]
    await layer.flush()


async def test_a_database_that_cannot_be_opened(no_database: None, caplog: pytest.LogCaptureFixture) -> None:
    assert await health.failures() == ["database"]
    assert caplog.messages == ["Not ready: database: OperationalError"]


async def test_a_channel_layer_that_refuses_connections(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    hosts = [f"redis://:topsecret@127.0.0.1:{free_port()}"]
    settings.CHANNEL_LAYERS = {
        "default": {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": {"hosts": hosts}}
    }
    assert await health.failures() == ["channel layer"]
    assert "topsecret" not in caplog.text


async def test_a_channel_layer_that_says_nothing(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": f"{__name__}.SilentLayer"}}
    async with asyncio.timeout(5):
        assert await health.failures(seconds=0.2) == ["channel layer"]
    assert caplog.messages == ["Not ready: channel layer: TimeoutError"]


async def test_no_channel_layer_at_all(settings: Settings) -> None:
    settings.CHANNEL_LAYERS = {}
    assert await health.failures() == ["channel layer"]
