"""What the clients of a process hear about each other: who is in their room, and who is typing.

One timer for each process, which runs while there is something to say. Whatever happened in a second is said at its
end, once for each room: see `presence_state` and `typing`. Every process tells its own clients what it knows of all.
"""

import asyncio
from typing import TYPE_CHECKING, Any

from django.conf import settings

from channels_socketio import PerLoop, current_runtime
from chat.presence_state import Presence, Rooms, Word
from chat.rooms import namespace_of
from chat.typing import Typing

if TYPE_CHECKING:
    from chat.consumers import ChatConsumer

INTERVAL = 1.0
SOON = 0.1  # after a quiet time

WORD = "presence"  # the kinds of publications
ASK = "presence ask"
END = "presence end"
TYPING = "typing"
STOPPED = "typing end"


class RoomPresence:
    """The people of one event loop's rooms."""

    def __init__(self) -> None:
        runtime = current_runtime()
        self.state = Presence(runtime.process, settings.CHAT_HEARTBEAT, settings.CHAT_LEASE)
        self.typing_state = Typing()
        self._runtime = runtime
        self._newcomers: dict[str, list[ChatConsumer]] = {}
        self._last = float("-inf")
        self._timer: asyncio.TimerHandle | None = None
        self._ended = False
        runtime.on_shutdown.append(self._end)
        runtime.backplane.handle(WORD, self._hear)
        runtime.backplane.handle(ASK, self._answer)
        runtime.backplane.handle(END, self._lose)
        runtime.backplane.handle(TYPING, self._note_typing)
        runtime.backplane.handle(STOPPED, self._note_stopped)
        runtime.backplane.publish_to_others(ASK, "")

    def enter(self, consumer: "ChatConsumer", person: str) -> None:
        """A socket is live: it hears soon who is there, and the others of whoever is new."""
        self.state.enter(consumer.room, person, consumer.name)
        self._newcomers.setdefault(consumer.room, []).append(consumer)
        self._need()

    def leave(self, room: str, person: str, grace: float | None = None) -> None:
        """A socket that had entered is gone; its person is expected back for `grace` seconds, if not said otherwise."""
        self.state.leave(room, person, self._runtime.now(), grace)
        self._need()

    def rename(self, consumer: "ChatConsumer", person: str) -> None:
        """The person of a socket that had entered has another name."""
        self.stop_typing(consumer.room, person)
        self.state.enter(consumer.room, person, consumer.name)
        self.state.leave(consumer.room, person, self._runtime.now())
        self._need()

    def type(self, room: str, person: str, name: str) -> None:
        """Somebody is typing."""
        if self.typing_state.type(room, person, name, self._runtime.now()):
            self._runtime.backplane.publish_to_others(TYPING, room, person, name)
            self._need()

    def stop_typing(self, room: str, person: str) -> None:
        """Somebody has sent what they typed, or gives up."""
        if self.typing_state.stop(room, person, self._runtime.now()):
            self._runtime.backplane.publish_to_others(STOPPED, room, person)
            self._need()

    def _need(self) -> None:
        """See to it that what has changed is said."""
        if self._timer is None and not self._ended:
            when = max(self._runtime.now() + SOON, self._last + INTERVAL)
            self._timer = self._runtime.loop.call_at(when, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._last = now = self._runtime.now()
        self._say_presence(now)
        self._say_typing(now)
        if (word := self.state.word(now)) is not None:
            self._runtime.backplane.publish_to_others(WORD, *word)
        beats = self._runtime.backplane.crosses_processes and self.state.rooms
        if beats or self.state.waits or self.typing_state.rooms:
            self._need()

    def _say_presence(self, now: float) -> None:
        changed = self.state.take_changed(now)
        newcomers, self._newcomers = self._newcomers, {}
        for room in changed:
            attendance = self.state.attendance(room)
            self._runtime.publish_here(namespace_of(room), "presence", attendance)
        for room, consumers in newcomers.items():
            if room not in changed:
                attendance = self.state.attendance(room)
                for consumer in consumers:
                    consumer.socket.emit("presence", [attendance])

    def _say_typing(self, now: float) -> None:
        for room in self.typing_state.take_changed(now):
            typing = {"room": room, "names": self.typing_state.names(room, now)}
            self._runtime.publish_here(namespace_of(room), "typing", typing, volatile=True)

    def _hear(self, process: str, digest: int, full: bool, rooms: Rooms) -> None:
        if self.state.hear(Word(process, digest, full, rooms), self._runtime.now()):
            self._runtime.backplane.publish_to_others(ASK, process)
        self._need()

    def _answer(self, process: str) -> None:
        if process == self._runtime.process or (not process and self.state.rooms):
            self.state.asked = True
            self._need()

    def _lose(self, process: str) -> None:
        self.state.remove_process(process, self._runtime.now())

    def _note_typing(self, room: str, person: str, name: str) -> None:
        if self._runtime.hub.occupied(namespace_of(room)):
            self.typing_state.type(room, person, name, self._runtime.now())
            self._need()

    def _note_stopped(self, room: str, person: str) -> None:
        self.typing_state.stop(room, person, self._runtime.now())
        self._need()

    async def _end(self) -> None:
        """Say that this process ends, as the last word."""
        self._ended = True
        if self._timer is not None:
            self._timer.cancel()
        self._runtime.backplane.publish_to_others(END, self._runtime.process)


def person_of(session: Any, user: Any) -> str:
    """Return what tells people apart: whoever has logged in at several browsers is one."""
    return f"u{user.pk}" if user.is_authenticated else f"v{session['visitor']}"


current_presence = PerLoop(RoomPresence)
