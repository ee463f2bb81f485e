"""Which consumer a namespace belongs to, and what it captured."""

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from hypothesis import given, settings
from hypothesis import strategies as st

from channels_socketio.connections.application import Routes
from channels_socketio.consumer import SocketIOConsumer
from channels_socketio.server import SocketIOServer


class Lobby(SocketIOConsumer):
    """The default: the main namespace."""


class Rooms(SocketIOConsumer):
    """Several patterns."""

    namespaces = ["/rooms/<slug:room>", "/desks/<int:floor>/<uuid:desk>", "/rooms/<slug:room>/<path:rest>"]


class Special(SocketIOConsumer):
    """Patterns that others before cover too, and one without the leading slash."""

    namespaces = ["/rooms/special", "/special", "plain", "/a.b"]


ROUTES = Routes([Lobby, Rooms, Special])


@pytest.mark.parametrize(
    ("namespace", "consumer", "kwargs"),
    [
        ("/", Lobby, {}),
        ("/rooms/tea", Rooms, {"room": "tea"}),
        ("/rooms/special", Rooms, {"room": "special"}),  # the first that fits
        ("/rooms/__proto__", Rooms, {"room": "__proto__"}),
        ("/rooms/tea/a/b", Rooms, {"room": "tea", "rest": "a/b"}),
        ("/special", Special, {}),
        ("/plain", Special, {}),
        ("/a.b", Special, {}),
    ],
)
def test_the_first_pattern_that_fits_finds_consumer_and_arguments(
    namespace: str, consumer: type[SocketIOConsumer], kwargs: dict[str, Any]
) -> None:
    assert ROUTES.match(namespace) == (consumer, kwargs)


def test_captured_values_have_the_types_of_their_pattern() -> None:
    found = ROUTES.match("/desks/07/12345678-1234-5678-1234-567812345678")
    assert found is not None
    assert repr(found[1]) == "{'floor': 7, 'desk': UUID('12345678-1234-5678-1234-567812345678')}"


@pytest.mark.parametrize(
    "namespace",
    [
        "//",
        "/\n",
        "/unknown",
        "/__proto__",
        "/rooms",
        "/rooms/",
        "/rooms/tea\n",
        "/rooms/tea/",
        "/rooms/té",
        "/rooms/%74ea",
        "/ROOMS/tea",
        "rooms/tea",
        "/x/rooms/tea",
        "//rooms/tea",
        "/special\n",
        "/special/",
        "/aXb",
        "/desks/x/12345678-1234-5678-1234-567812345678",
        "/desks/7/12345678",
        "/rooms/<slug:room>",
    ],
)
def test_what_no_pattern_covers_to_its_end_is_unknown(namespace: str) -> None:
    assert ROUTES.match(namespace) is None


@given(st.text().map("/{}".format))
@settings(deadline=None)
def test_any_namespace_gets_an_answer(namespace: str) -> None:
    found = ROUTES.match(namespace)
    assert found is None or found[0] in (Lobby, Rooms, Special)


def test_a_server_with_wrong_options_does_not_start() -> None:
    with pytest.raises(ImproperlyConfigured, match=r"^SOCKETIO\['BACKLOG'\]: expected a whole number above 0, got 0.$"):
        SocketIOServer([Lobby], options={"BACKLOG": 0})
