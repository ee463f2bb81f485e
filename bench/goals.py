"""The comparison in short: this chat's figures beside those of others, and their ratios."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from bench.chat import Chat, DaphneChat, LimitedChat
from bench.peers.servers import Original, PythonSocketIO, SocketIOTutorial, Tutorial
from bench.tables import number

COLUMNS = {
    "what": "",
    "better": "better is",
    "ours": "figure",
    "beside": "beside",
    "theirs": "their figure",
    "ratio": "ratio",
}
CHAT, DAPHNE, LIMITED, NODE, PYTHON, TUTORIAL, STORING = (
    server.name for server in (Chat, DaphneChat, LimitedChat, Original, PythonSocketIO, Tutorial, SocketIOTutorial)
)
SHOWN = {"clients", "flood"}  # settings in which one server is beside itself
LESS, MORE = "less", "more"
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Goal:
    """One figure beside another.

    Texts in `where` and `other_where` are keys of the settings, numbers mean themselves.
    """

    what: str
    better: str
    scenario: str
    column: str
    other: str
    ours: str = CHAT
    where: dict[str, str | int] = field(default_factory=dict)
    other_where: dict[str, str | int] | None = None  # None: the same

    def row(self, data: Row) -> Row | None:
        """Return the row of the table, None when one of the two was not measured."""
        other_where = self.where if self.other_where is None else self.other_where
        ours, theirs = self._find(data, self.ours, self.where), self._find(data, self.other, other_where)
        if ours is None or not theirs:
            return None
        changed = {key: data["settings"].get(value, value) for key, value in (self.other_where or {}).items()}
        beside = self.other + "".join(f", {key} {value:,}" for key, value in changed.items() if key in SHOWN)
        return {
            "what": self.what.format(**data["settings"]) + ("" if self.ours == CHAT else f", {self.ours}"),
            "better": self.better,
            "ours": number(ours),
            "beside": beside,
            "theirs": number(theirs),
            "ratio": f"{ours / theirs:.2f}",
        }

    def _find(self, data: Row, server: str, where: dict[str, str | int]) -> float | None:
        wanted = {"server": server} | {key: data["settings"].get(value, value) for key, value in where.items()}
        for row in data["medians"].get(self.scenario, []):
            if all(row.get(key) == value for key, value in wanted.items()):
                return float(row[self.column])
        return None


def goals() -> Iterator[Goal]:
    """Yield them in the order of the table."""
    cpu = ("fanout", "server_us_per_delivery")
    rate = ("fanout", "deliveries_per_second")
    for messages in (1, 4, 16):
        where: dict[str, str | int] = {"clients": "room", "in_flight": messages}
        yield Goal(
            f"server CPU per delivery, room of {{room:,}}, {messages} in flight, µs", LESS, *cpu, NODE, where=where
        )
    where = {"clients": "room", "in_flight": 4}
    for ours, other in ((CHAT, PYTHON), (CHAT, TUTORIAL), (CHAT, NODE), (DAPHNE, PYTHON), (DAPHNE, TUTORIAL)):
        yield Goal("deliveries/s, room of {room:,}, 4 in flight", MORE, *rate, other, ours, where)
    for server in (CHAT, NODE):
        largest: dict[str, str | int] = {"clients": "largest_room", "in_flight": 4}
        smallest: dict[str, str | int] = {"clients": "smallest_room", "in_flight": 4}
        what = "server CPU per delivery, room of {largest_room:,}, 4 in flight, µs"
        yield Goal(what, LESS, *cpu, server, server, largest, smallest)
    for column, share in (("p50_ms", "half"), ("p99_ms", "99%")):
        yield Goal(f"latency, {share} of the receivers, ms", LESS, "latency", column, NODE)
    for other in (NODE, PYTHON):
        yield Goal("server CPU per message into a room of {members}, µs", LESS, "rooms", "server_us_per_message", other)
    yield Goal("messages/s into rooms of {members}", MORE, "rooms", "messages_per_second", NODE)
    yield Goal("messages/s stored and acked, {senders} senders", MORE, "stored", "messages_per_second", STORING)
    for column, share in (("p50_ms", "half"), ("p99_ms", "99%")):
        yield Goal(f"time to the ack of a stored message, {share}, ms", LESS, "stored", column, STORING)
    yield Goal("server CPU per stored message, µs", LESS, "stored", "server_us_per_message", STORING)
    for column, share in (("p50_ms", "half"), ("p99_ms", "99%")):
        what = f"latency beside a flood over {{flood_sockets}} sockets, {share} of the receivers, ms"
        yield Goal(what, LESS, "flood", column, LIMITED, LIMITED, {"flood": "flood_sockets"}, {"flood": 0})
    for other in (NODE, TUTORIAL):
        yield Goal("connects/s", MORE, "connect", "connects_per_second", other)
    yield Goal("server CPU per connect, ms", LESS, "connect", "server_ms_per_connect", NODE)
    for scenario, who in (("idle", "an idle WebSocket"), ("polling", "an idle polling client")):
        yield Goal(f"memory of {who}, KiB", LESS, scenario, "kib_per_client", NODE)
        yield Goal(f"server CPU per heartbeat of {who}, µs", LESS, scenario, "server_us_per_heartbeat", NODE)


def rows(data: Row) -> list[Row]:
    """Return the rows of the table, as far as the run has figures for them."""
    return [row for goal in goals() if (row := goal.row(data)) is not None]
