"""docs/operations/privacy.md: a visitor is exported and erased beside a process with clients, on both databases."""

import asyncio
import json
import re

from channels_socketio.tests.support.ws_client import Dial
from chat.tests.deployment import CHAPTERS, blocks, replaced, run_shell
from chat.tests.site import Site

EXPORT, FORGET = blocks("privacy", "shell")
PATH = "/socket.io/?EIO=4&transport=websocket"
FIND = "from chat.models import LoginSession; print(LoginSession.objects.get(session_key={key!r}).visitor_id)"
ADA = "from django.contrib.auth.models import User\nUser.objects.create_user('ada')"
LEFT = """
from django.contrib.admin.models import LogEntry
from chat.models import Message, Visitor
assert not Visitor.objects.filter(pk={pk}).exists()
assert list(Message.objects.values_list("name", "text", "visitor")) == [("", "", None)]
assert [(entry.object_repr, entry.user.username) for entry in LogEntry.objects.all()] == [("Visitor {pk}", "ada")]
"""


async def test_a_visitor_is_exported_and_then_forgotten(any_site: Site, dial: Dial) -> None:
    keys = [await asyncio.to_thread(any_site.new_cookie) for _ in range(2)]
    visitor, other = [
        await dial(any_site.ws_url + PATH, additional_headers={"Cookie": f"sessionid={key}"}) for key in keys
    ]
    for client in (visitor, other):
        await client.receive_event()
    await visitor.emit("send chat", {"msg": "mine"})
    for client in (visitor, other):
        await client.receive_event()
    pk = (await asyncio.to_thread(any_site.manage, "shell", "-v", "0", "-c", FIND.format(key=keys[0]))).strip()
    await asyncio.to_thread(any_site.run, ADA)
    found = json.loads(await asyncio.to_thread(run_shell, replaced(EXPORT, {"17": pk}), any_site.env))
    assert [message["text"] for message in found["messages"]] == ["mine"]
    printed = await asyncio.to_thread(run_shell, replaced(FORGET, {"17": pk}), any_site.env)
    assert printed == f"Forgot visitor {pk}: 1 message(s), 1 login session(s).\n"
    event, data, _ = await other.receive_event()
    assert (event, data["seq"]) == ("chat deleted", 1)
    heard = [await visitor.receive_event()]
    while heard[-1][0] != "session ended":
        heard.append(await visitor.receive_event())
    assert [event for event, *_ in heard[:-1]] in ([], ["chat deleted"])
    await asyncio.to_thread(any_site.run, LEFT.format(pk=pk))


def test_the_chapter_names_each_table_with_something_about_visitors() -> None:
    """A model with a new column that says something about visitors belongs into the chapter, and into this test."""
    from chat import models

    columns = {
        field.name
        for model in (models.Visitor, models.LiveConnection)
        for field in model._meta.fields
        if not field.is_relation and field.name != "id"
    }
    assert columns == {
        *("name", "first_seen", "last_seen", "address", "banned_until", "muted_until"),
        *("rooms", "transport", "user_agent", "since"),
    }
    rows = re.findall(r"^\| ([^|]+) \| [^|]+ \| [^|]+ \|$", (CHAPTERS / "privacy.md").read_text(), re.MULTILINE)
    text = " ".join(rows)
    for word in ("name", "first and last visit", "last address", "ban and mute", "browser", "rooms", "transport"):
        assert word in text
