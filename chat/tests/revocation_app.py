"""The chat as an ASGI application in which login sessions end in all ways, each at `/do/<what>?key=<session key>`.

Where it is addresses that are banned, `key` is one. The answer is JSON: what the action returned.
`/do/sweep-every?key=<seconds>` is how often the process looks at the login sessions of its connections from then on.
"""

import json
import os
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatproject.settings")
django.setup()

from django.contrib import auth  # noqa: E402
from django.contrib.sessions.backends.base import VALID_KEY_CHARS  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection, transaction  # noqa: E402
from django.http import HttpRequest  # noqa: E402
from django.test import Client  # noqa: E402
from django.utils.crypto import get_random_string  # noqa: E402

from channels_socketio.connections.runtime import current_runtime  # noqa: E402
from channels_socketio.handshake.responses import respond  # noqa: E402
from channels_socketio.revocation import look_at_sessions  # noqa: E402
from chat import moderation  # noqa: E402
from chat.database import in_thread  # noqa: E402
from chat.models import LoginSession  # noqa: E402
from chat.names import new_visitor  # noqa: E402
from chat.sessions import SessionStore  # noqa: E402
from chatproject import asgi  # noqa: E402

User: Any = auth.get_user_model()


def request_of(key: str) -> HttpRequest:
    """Return a request with the login session of `key`, as the middleware hands it to a view."""
    request = HttpRequest()
    request.session = SessionStore(key)
    request.user = auth.get_user(request)
    return request


def rows(key: str) -> Any:
    """Return the login session as a set of rows."""
    return LoginSession.objects.filter(session_key=key)


def user_of(key: str) -> Any:
    """Return the user of a login session."""
    return rows(key).get().user


def log_in(key: str) -> list[str]:
    """Log a new user in, as the view does and the middleware behind it; return the new key and the username."""
    request = request_of(key)
    user = User.objects.create_user(f"user-{get_random_string(8)}", password="before")
    auth.login(request, user, "django.contrib.auth.backends.ModelBackend")
    request.session.save()
    return [str(request.session.session_key), user.get_username()]


def log_in_again(key: str) -> str:
    """Make a second login session for the same user; return its key."""
    request = HttpRequest()
    request.session = SessionStore()
    auth.login(request, user_of(key), "django.contrib.auth.backends.ModelBackend")
    with transaction.atomic():
        visitor = new_visitor()
        request.session.update({"visitor": visitor.pk, "name": visitor.name})
        request.session.save()
    return str(request.session.session_key)


def change_password(key: str) -> str:
    """Change the password of a user, as the view does it; return the new key."""
    request = request_of(key)
    user: Any = request.user
    user.set_password("after")
    user.save()
    auth.update_session_auth_hash(request, user)
    request.session.save()
    return str(request.session.session_key)


def set_password(key: str) -> None:
    """Change the password of a user, as `manage.py changepassword` does it."""
    user = user_of(key)
    user.set_password("after")
    user.save()


def deactivate(key: str) -> None:
    """Take the user's right to log in, as the admin does it."""
    user = user_of(key)
    user.is_active = False
    user.save()


def rename(key: str) -> str:
    """Give the user another name; return it."""
    user = user_of(key)
    user.username = f"renamed-{get_random_string(8)}"
    user.save()
    return str(user.username)


def sql_rotate(key: str) -> str:
    """Give the login session another key without a word; return it."""
    new = get_random_string(32, VALID_KEY_CHARS)
    rows(key).update(session_key=new)
    return new


def rename_visitor(key: str) -> int:
    """Give the visitor another number, and say so; return it."""
    visitor = rows(key).get().visitor
    visitor.name = 20_000 + visitor.pk
    visitor.save()
    look_at_sessions([key])
    return int(visitor.name)


def execute(sql: str) -> Callable[[str], None]:
    """Return an action in plain SQL, which no signal tells of."""

    def run(key: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(sql, [key])

    return run


def expire_soon(key: str) -> None:
    """Have the login session expire in three seconds."""
    session = SessionStore(key)
    session.set_expiry(3)
    session.save()


def clear_expired(key: str) -> None:
    """Let the login session have expired, and clear it."""
    execute("UPDATE chat_loginsession SET expire_date = '2000-01-01 00:00:00' WHERE session_key = %s")(key)
    call_command("clearsessions")


def administer(path: str, **form: Any) -> int:
    """Send a form of the admin as somebody who may do anything; return the status of the answer."""
    client = Client(headers={"host": "127.0.0.1"})
    name = f"admin-{get_random_string(8)}"
    client.force_login(User.objects.create_superuser(name), "django.contrib.auth.backends.ModelBackend")
    return client.post(f"/admin/{path}", form).status_code


def choose(action: str, key: str) -> int:
    """Tick the login session in the admin's list, choose an action, and say yes."""
    form = {"action": action, "_selected_action": rows(key).get().pk, "confirmed": "yes"}
    return administer("chat/loginsession/", **form)


def choose_user(key: str) -> int:
    """Delete the user by the action of the admin's list."""
    form = {"action": "delete_selected", "_selected_action": user_of(key).pk, "post": "yes"}
    return administer("auth/user/", **form)


USER = "(SELECT user_id FROM chat_loginsession WHERE session_key = %s)"
ACTIONS: dict[str, Callable[[str], Any]] = {
    "log-in": log_in,
    "log-in-again": log_in_again,
    "rename": rename,
    "rename-visitor": rename_visitor,
    "sql-rotate": sql_rotate,
    "sql-log-in": lambda key: rows(key).update(user=User.objects.create_user(f"user-{get_random_string(8)}")),
    "change-password": change_password,
    "log-out": lambda key: auth.logout(request_of(key)),
    "flush": lambda key: SessionStore(key).flush(),
    "delete": lambda key: rows(key).get().delete(),
    "delete-many": lambda key: rows(key).delete(),
    "delete-visitor": lambda key: rows(key).get().visitor.delete(),
    "delete-user": lambda key: user_of(key).delete(),
    "deactivate": deactivate,
    "set-password": set_password,
    "admin-end": lambda key: choose("end_sessions", key),
    "admin-ban": lambda key: choose("ban", key),
    "admin-delete-user": lambda key: administer(f"auth/user/{user_of(key).pk}/delete/", post="yes"),
    "admin-delete-users": choose_user,
    "ban": lambda key: moderation.ban([rows(key).get().visitor_id]),
    "expire-soon": expire_soon,
    "clear-expired": clear_expired,
    "sql-expire": execute("UPDATE chat_loginsession SET expire_date = '2000-01-01 00:00:00' WHERE session_key = %s"),
    "sql-delete": execute("DELETE FROM chat_loginsession WHERE session_key = %s"),
    "sql-deactivate": execute(f"UPDATE auth_user SET is_active = false WHERE id = {USER}"),
    "sql-password": execute(f"UPDATE auth_user SET password = 'x' WHERE id = {USER}"),
    "sql-ban": execute(
        "UPDATE chat_visitor SET banned_until = '9999-01-01 00:00:00' WHERE id ="
        " (SELECT visitor_id FROM chat_loginsession WHERE session_key = %s)"
    ),
    "ban-address": moderation.ban_address,
    "sql-ban-address": execute(
        "INSERT INTO chat_addressban (network, until, reason, made)"
        " VALUES (%s, '9999-01-01 00:00:00', '', '2000-01-01 00:00:00')"
    ),
    "count": lambda key: [len(current_login_keys), len(current_users)],
}
current_login_keys: dict[str, Any] = {}
current_users: dict[str, Any] = {}


async def sweep_every(seconds: float) -> None:
    """Sweep now, and then so often, until somebody else connects."""
    runtime = current_runtime()
    monitor = runtime.monitor
    monitor._interval, monitor._next_sweep = seconds, runtime.now() + seconds
    runtime.timers.schedule(monitor)
    await monitor._doubt(monitor.registry.logins.values())


async def do(scope: Any, receive: Any, send: Any) -> None:
    """Do what the path says, in a thread as views are."""
    global current_login_keys, current_users
    registry = current_runtime().monitor.registry
    current_login_keys, current_users = registry.logins, registry._users
    what, key = scope["path"].rpartition("/")[2], parse_qs(scope["query_string"].decode())["key"][0]
    result = None
    if what == "sweep-every":
        await sweep_every(float(key))
    else:
        result = await in_thread(ACTIONS[what])(key)
    await respond(send, 200, json.dumps(result, default=str).encode(), "application/json")


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Serve the chat, and what is to be done."""
    await (do if scope["path"].startswith("/do/") else asgi.application)(scope, receive, send)
