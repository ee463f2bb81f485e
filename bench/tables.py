"""Tables in Markdown: which scenario has which columns, and how a cell reads."""

from collections.abc import Iterable, Mapping
from typing import Any

BUSY = {"server_busy": "server busy", "load_busy": "load generator busy"}
IDLE = {
    "server": "server",
    "clients": "clients",
    "kib_per_client": "memory per client, KiB",
    "server_us_per_heartbeat": "server CPU per heartbeat, µs",
    **BUSY,
}
TITLES: dict[str, tuple[str, dict[str, str]]] = {
    "fanout": (
        "One room, one client sends, everybody listens",
        {
            "server": "server",
            "clients": "clients",
            "in_flight": "messages in flight",
            "server_us_per_delivery": "server CPU per delivery, µs",
            "deliveries_per_second": "deliveries/s",
            "frame_bytes": "bytes per frame",
            "load_us_per_delivery": "load generator's CPU per delivery, µs",
            **BUSY,
        },
    ),
    "rooms": (
        "{rooms} rooms of {members}, everybody sends as soon as the own message is back",
        {
            "server": "server",
            "clients": "clients",
            "server_us_per_message": "server CPU per message that came in, µs",
            "messages_per_second": "messages/s",
            "load_us_per_message": "load generator's CPU per message, µs",
            **BUSY,
        },
    ),
    "latency": (
        "From the sender to everybody in a room, at a fixed rate",
        {
            "server": "server",
            "clients": "clients",
            "rate": "messages/s",
            "p50_ms": "half arrive within, ms",
            "p99_ms": "99% within, ms",
            "longest_ms": "all within, ms",
            **BUSY,
        },
    ),
    "stored": (
        "One room, {senders} clients send, each with {stored_in_flight} messages in flight, stored and acked",
        {
            "server": "server",
            "clients": "clients",
            "messages_per_second": "messages/s",
            "p50_ms": "half acked within, ms",
            "p99_ms": "99% within, ms",
            "server_us_per_message": "server CPU per message, µs",
            "load_us_per_message": "load generator's CPU per message, µs",
            **BUSY,
        },
    ),
    "flood": (
        "A room of {bystanders} who talk, while one login session floods it over {flood_sockets} sockets",
        {
            "server": "server",
            "clients": "clients",
            "flood": "sockets that flood",
            "p50_ms": "others' messages: half arrive within, ms",
            "p99_ms": "99% within, ms",
            "longest_ms": "all within, ms",
            "accepted_per_second": "of the flood: accepted/s",
            "refused_per_second": "refused/s",
            "closed_per_second": "sockets closed/s",
            **BUSY,
        },
    ),
    "connect": (
        "Connecting by WebSocket, joining the room, 50 at a time",
        {
            "server": "server",
            "clients": "clients",
            "connects_per_second": "connects/s",
            "server_ms_per_connect": "server CPU per connect, ms",
            "load_ms_per_connect": "load generator's CPU per connect, ms",
            **BUSY,
        },
    ),
    "idle": ("Idle WebSockets, a heartbeat every {heartbeat} s", IDLE),
    "polling": ("Idle long-polling, a heartbeat every {heartbeat} s", IDLE),
}


def table(columns: Mapping[str, str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Return a table in Markdown."""
    lines = [" | ".join(columns.values()), " | ".join("---" for _ in columns)]
    lines += [" | ".join(text(column, row[column]) for column in columns) for row in rows]
    return "\n".join(f"| {line} |" for line in lines)


def text(column: str, value: str | float) -> str:
    """Return a cell."""
    if isinstance(value, str):
        return value
    if column.endswith("_busy"):
        return f"{value:.1%}" if value < 0.1 else f"{value:.0%}"
    return number(value)


def number(value: float) -> str:
    """Return a number with as many places as people can use."""
    if isinstance(value, int) or value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 100 else f"{value:.2f}"
