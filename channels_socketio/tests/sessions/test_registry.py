"""Who lives by which login session: two maps without anything empty in them."""

from typing import cast

from channels_socketio.connections.connection import Connection
from channels_socketio.sessions.registry import Registry


def connection() -> Connection:
    """Return something to be registered."""
    return cast(Connection, object())


def contents(registry: Registry) -> tuple[dict[str, int], dict[str, list[str]]]:
    """Return the number of connections by login session, and the login sessions by user."""
    users = {user: sorted(login.key for login in logins) for user, logins in registry._users.items()}
    return {key: len(login.connections) for key, login in registry.logins.items()}, users


def test_connections_of_a_login_session_are_together() -> None:
    registry = Registry()
    first, second, other = connection(), connection(), connection()
    login = registry.enter(first, "a", "1")
    assert registry.enter(second, "a", "1") is login
    registry.enter(other, "b", "1")
    assert contents(registry) == ({"a": 2, "b": 1}, {"1": ["a", "b"]})
    assert [each.key for each in registry.find(["b", "unknown", "a"])] == ["b", "a"]
    assert {each.key for each in registry.of_user("1")} == {"a", "b"}
    assert registry.of_user("2") == []


def test_what_is_empty_goes_at_once() -> None:
    registry = Registry()
    first, second = connection(), connection()
    login = registry.enter(first, "a", "1")
    registry.enter(second, "a", "1")
    registry.leave(first, login)
    assert contents(registry) == ({"a": 1}, {"1": ["a"]})
    registry.leave(second, login)
    registry.leave(second, login)
    assert contents(registry) == ({}, {})
