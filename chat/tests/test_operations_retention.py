"""docs/operations/retention.md: its commands, beside a process with clients, on both databases."""

import asyncio
import json
import re
import shlex
import sys
from urllib.request import Request, urlopen

from channels_socketio.tests.support.ws_client import Dial
from chat.tests.deployment import DEPLOY, blocks, replaced, run, run_shell
from chat.tests.site import Site

CLEAR_MESSAGES, CLEAR_SESSIONS = blocks("retention", "shell")
PATH = "/socket.io/?EIO=4&transport=websocket"
AGE = """
from datetime import timedelta
from django.utils import timezone
from chat.models import LoginSession, Message
Message.objects.filter(seq__lte=2).update(at=timezone.now() - timedelta(days=91))
LoginSession.objects.filter(session_key={key!r}).update(expire_date=timezone.now() - timedelta(days=1))
"""


def messages(site: Site, cookie: str) -> list[str]:
    """Return the texts of the messages of the lobby."""
    request = Request(f"{site.url}/rooms/lobby/messages", headers={"Cookie": f"sessionid={cookie}"})
    with urlopen(request, timeout=10) as answer:
        return [message["text"] for message in json.load(answer)["messages"]]


async def test_old_messages_leave_open_pages_and_expired_visitors_the_database(any_site: Site, dial: Dial) -> None:
    cookie, gone = [await asyncio.to_thread(any_site.new_cookie) for _ in range(2)]
    client = await dial(any_site.ws_url + PATH, additional_headers={"Cookie": f"sessionid={cookie}"})
    await client.receive_event()
    for text in ("old", "older", "new"):
        await client.emit("send chat", {"msg": text})
        await client.receive_event()
    await asyncio.to_thread(any_site.run, AGE.format(key=gone))
    printed = await asyncio.to_thread(run_shell, CLEAR_MESSAGES, any_site.env)
    assert printed.startswith("Cleared 2 message(s) from before ")
    heard = [await client.receive_event() for _ in range(2)]
    assert [(event, data["seq"]) for event, data, _ in heard] == [("chat deleted", 1), ("chat deleted", 2)]
    assert await asyncio.to_thread(messages, any_site, cookie) == ["new"]
    await asyncio.to_thread(run_shell, CLEAR_SESSIONS, any_site.env)
    await asyncio.to_thread(
        any_site.run, "from chat.models import Visitor\nassert Visitor.objects.count() == 1, Visitor.objects.count()"
    )


def test_the_lines_for_systemd_add_a_command_that_runs_to_the_daily_service(any_site: Site) -> None:
    (lines,) = blocks("retention", "ini")
    service = re.search("# /etc/systemd/system/(.*).d/", lines)
    assert service is not None
    assert "Type=oneshot" in (DEPLOY / "systemd" / service[1]).read_text(), "which may have several commands"
    command = replaced(lines.partition("ExecStart=")[2], {"/srv/chat/.venv/bin/python": sys.executable})
    run(shlex.split(command), any_site.env)
