"""Writes docs/states.md: python -m channels_socketio.tests.support.states"""

import enum
import logging
import os
from collections.abc import Iterable, Mapping
from typing import Any

import django

from channels_socketio.protocol import engine, socketio, upgrade
from channels_socketio.protocol.reasons import Reason, Refusal, SocketRefusal
from channels_socketio.tests.support.processes import ROOT

PATH = ROOT / "docs" / "states.md"
HEAD = """# States and reasons

`python -m channels_socketio.tests.support.states` writes this page from the tables that the code goes by.
"""
CLOSES = """A connection ends for one of these reasons.
The consumer's `disconnect` gets the text.
The WebSocket's close frame has the code (RFC 6455 section 7.4.1) and the text.
Daphne sends the code 1000 and no text.
JavaScript clients come back by themselves after everything but a DISCONNECT packet.
A client that polls comes once more to be told, unless it is gone or hears of the end by the status of a request.
The last two rows end one socket, and the connection goes on.
"""
REFUSALS = """Engine.IO's code and the message are the JSON of the answer.
An application refuses a handshake with 4 and 403, and a message of its own.
A refusal with `Retry-After` may be tried again, whatever its row says.
"""
INSIDE = "These refuse a namespace or an event. The connection goes on."
END_REASONS = "The event `session ended` carries these. An application may add its own."
Transitions = Mapping[Any, Mapping[Any, enum.Enum]]


def diagram(title: str, transitions: Transitions, otherwise: enum.Enum | None = None) -> str:
    """Return a section with a diagram; events that no state names lead to `otherwise`."""
    first = next(iter(transitions))
    lines = [f"    [*] --> {first.value}"]
    for state, events in transitions.items():
        lines += [f"    {state.value} --> {after.value}: {event}" for event, after in events.items()]
        if otherwise is not None and state is not otherwise:
            lines.append(f"    {state.value} --> {otherwise.value}: anything else")
        elif not events:
            lines.append(f"    {state.value} --> [*]")
    doc = str(type(first).__doc__)
    head = [f"## {title}", "", doc, "", "```mermaid", "stateDiagram-v2", "    direction LR"]
    return "\n".join([*head, *lines, "```", ""])


def table(title: str, text: str, head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """Return a section with a table."""
    cells = [list(head), ["---"] * len(list(head)), *rows]
    lines = ["| " + " | ".join(map(shown, row)) + " |" for row in cells]
    return "\n".join([f"## {title}", "", text.rstrip(), "", *lines, ""])


def shown(value: object) -> str:
    """Return what stands in a cell."""
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def page() -> str:
    """Return the page."""
    from channels_socketio.connections import socket_state
    from channels_socketio.sessions import end_reasons
    from channels_socketio.transports import polling, websocket

    reasons = [value for value in vars(end_reasons).values() if isinstance(value, end_reasons.EndReason)]
    name = logging.getLevelName
    return "\n".join(
        [
            HEAD,
            diagram("Engine session: `EngineProtocol`", engine.TRANSITIONS),
            diagram("Namespace: `SocketIOProtocol`", socketio.TRANSITIONS),
            diagram("Upgrade, at the WebSocket: `UpgradeProtocol`", upgrade.TRANSITIONS, upgrade.FAILED),
            diagram("`PollingTransport`", polling.TRANSITIONS),
            diagram("`WebSocketTransport`", websocket.TRANSITIONS),
            diagram("`Socket`", socket_state.TRANSITIONS),
            table(
                "Closes: `Reason`",
                CLOSES,
                ["reason", "close code", "log level", "may come back", "told by polling"],
                [(row.text, row.close_code, name(row.log_level), row.comes_back, row.is_told) for row in Reason],
            ),
            table("End reasons: `EndReason`", END_REASONS, ["reason", "message"], reasons),
            table(
                "Refusals of requests: `Refusal`",
                REFUSALS,
                ["message", "code", "status", "log level", "may try again"],
                [(row.message, row.code, row.status, name(row.log_level), row.may_retry) for row in Refusal],
            ),
            table(
                "Refusals inside a connection: `SocketRefusal`",
                INSIDE,
                ["message", "code"],
                [(row.message, row.code) for row in SocketRefusal],
            ),
        ]
    )


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "channels_socketio.tests.settings")
    django.setup()
    PATH.write_text(page())
