"""What docs/operations/logging.md says: the variables, what is never logged, and the lines worth an alarm."""

import ast
import asyncio
import json
import re
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from channels_socketio.tests.support.processes import ROOT
from channels_socketio.tests.support.raw_client import RawClient
from channels_socketio.tests.support.ws_client import Dial
from chat.tests.deployment import CHAPTERS, blocks, clean
from chat.tests.site import Site

CHAPTER = (CHAPTERS / "logging.md").read_text()
SECRET = "a secret that somebody says"
PATH = "/socket.io/?EIO=4&transport=websocket"
ALARM = re.compile(r"^\| `([^`]+)` \| (\w+) \|", re.MULTILINE)


async def test_the_command_logs_one_object() -> None:
    (script,) = blocks("logging", "shell")
    done = await asyncio.create_subprocess_exec(
        *("bash", "-c", script), cwd=ROOT, env=clean({}), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    _, errors = await done.communicate()
    (line,) = errors.decode().splitlines()
    record = json.loads(line)
    documented = re.search(r"each line is an object with (.*)\.", CHAPTER)
    assert documented is not None
    assert set(record) == set(re.findall(r"`(\w+)`", documented[1]))
    assert (record["level"], record["logger"], record["message"]) == ("WARNING", "chat", "hello")


async def test_no_level_shows_a_secret(tmp_path: Path, dial: Dial) -> None:
    """Even with everything logged: messages, sessions, engine ids, private ids and the key."""
    env = {"DEBUG": "off", "HTTPS": "off", "ALLOWED_HOSTS": "127.0.0.1", "LOG_LEVEL": "DEBUG", "LOG_FORMAT": "json"}
    site = Site(tmp_path, "serve", env)
    await asyncio.to_thread(site.manage, "collectstatic", "--no-input")
    await asyncio.to_thread(site.start)
    secrets = {SECRET, site.env["SECRET_KEY"]}
    try:
        key = await asyncio.to_thread(site.new_cookie)
        secrets.add(key)
        cookie = f"Cookie: sessionid={key}"
        client = await dial(site.ws_url + PATH, additional_headers={"Cookie": f"sessionid={key}"})
        secrets |= {client.sid}
        await client.receive_event()
        await client.emit("send chat", {"msg": ["not a text"]})
        assert (await client.receive_event())[0] == "chat error"
        await client.emit("send chat", {"msg": SECRET})
        assert (await client.receive_event())[1]["text"] == SECRET
        async with RawClient(site.port, headers=[cookie]) as raw:
            sid = await raw.open()
            secrets.add(sid)
            assert (await raw.post(sid, "40")).pair == (200, "ok")
            connected = re.search('"pid":"([^"]+)"', (await raw.poll(sid)).text)
            assert connected is not None
            secrets.add(connected[1])
            await raw.post(sid, "nonsense")
        await asyncio.to_thread(refused, f"{site.url}/socket.io/?EIO=4&transport=polling")
    finally:
        await asyncio.to_thread(site.stop)
    records = [json.loads(line) for line in site.process.output().splitlines()]
    assert {"DEBUG", "INFO"} <= {record["level"] for record in records}
    assert [secret for secret in secrets if secret in site.process.output()] == []


def refused(url: str) -> None:
    """Ask without a cookie."""
    with pytest.raises(OSError, match="403"):
        urlopen(Request(url), timeout=10)


def sources() -> list[Path]:
    """Return the files whose lines are logged in production."""
    found = [path for folder in ("chat", "channels_socketio", "chatproject") for path in (ROOT / folder).rglob("*.py")]
    return [path for path in found if not {"tests", "node_modules", "migrations"}.intersection(path.parts)]


def test_the_lines_worth_an_alarm_are_texts_that_the_code_logs() -> None:
    constants = [
        node.value
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.count("\n") == 0
    ]
    alarms = ALARM.findall(CHAPTER.partition("## Lines worth an alarm")[2])
    assert len(alarms) >= 8
    assert [text for text, _ in alarms if not any(text in constant for constant in constants)] == []


def test_the_levels_are_those_of_the_environment() -> None:
    from chatproject import environment

    row = re.search(r"^\| `LOG_LEVEL` \| (.*) \|$", CHAPTER, re.MULTILINE)
    assert row is not None
    assert tuple(re.findall("`([A-Z]+)`", row[1])) == environment.LOG_LEVELS
