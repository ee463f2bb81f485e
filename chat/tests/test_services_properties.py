"""Whatever is sent, sent again, deleted and asked for: numbers have no holes, and clients end with what is stored."""

from dataclasses import dataclass, field
from typing import Any, ClassVar
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from channels_socketio.history.log import Item, Position
from chat import log, services
from chat.models import Message, Room, Visitor
from chat.rooms import namespace_of
from chat.services import Announcement, Draft, Receipt, commit, delete_message

ROOMS = st.sampled_from(["lobby", "tea"])
IDS = st.integers(1, 12).map(lambda number: UUID(int=number))
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=20)


@dataclass
class Follower:
    """A client: what it shows, and how far it is in the room's log."""

    room: str
    position: Position
    since: int
    shown: dict[int, str] = field(default_factory=dict)

    def take(self, items: list[Item]) -> None:
        """Show new messages, drop deleted ones."""
        for item in items:
            if item.deletes is None:
                assert item.position.seq not in self.shown
                self.shown[item.position.seq] = item.data["text"]
            else:
                self.shown.pop(item.deletes, None)

    def hear(self, announcements: Announcement) -> None:
        """Take what comes live, unless something before it is missing."""
        item = announcements.item
        if announcements.namespace == namespace_of(self.room) and sum(item.position) == sum(self.position) + 1:
            self.take([item])
            self.position = item.position


class LogMachine(RuleBasedStateMachine):
    """Senders, an admin, and clients who hear some news, miss others and read the log."""

    followers = Bundle("followers")
    deletion_publication: ClassVar[list[Announcement]] = []

    @initialize()
    def start(self) -> None:
        Message.objects.all().delete()
        Room.objects.all().delete()
        self.visitors = [Visitor.objects.create().pk for _ in range(2)]
        self.texts: dict[str, list[str]] = {"lobby": [], "tea": []}
        self.deleted: dict[str, list[int]] = {"lobby": [], "tea": []}
        self.receipts: dict[Any, Any] = {}
        self.everybody: list[Follower] = []
        self.deletion_publication.clear()

    @rule(drafts=st.lists(st.tuples(ROOMS, st.integers(0, 1), IDS, TEXTS), max_size=8), heard=st.booleans())
    def send(self, drafts: list[tuple[str, int, UUID, str]], heard: bool) -> None:
        batch = [Draft(room, "42", text, self.visitors[who], client_id) for room, who, client_id, text in drafts]
        outcomes, announcements = commit(batch)
        told = iter(announcements)
        for draft, receipt in zip(batch, outcomes, strict=True):
            assert isinstance(receipt, Receipt)
            if draft.key not in self.receipts:
                self.receipts[draft.key] = receipt
                self.texts[draft.room].append(draft.text)
                item = next(told).item
                assert item.position == (len(self.texts[draft.room]), len(self.deleted[draft.room]))
                assert (item.data["text"], item.data["seq"]) == (draft.text, receipt.seq)
            assert receipt == self.receipts[draft.key]
        assert next(told, None) is None
        self.tell(announcements, heard)

    @rule(room=ROOMS, seqs=st.lists(st.integers(0, 6), min_size=1, max_size=5), heard=st.booleans())
    def delete(self, room: str, seqs: list[int], heard: bool) -> None:
        for seq in seqs:
            expected = 1 <= seq <= len(self.texts[room]) and seq not in self.deleted[room]
            assert delete_message(room, seq) is expected
            if expected:
                self.deleted[room].append(seq)
                assert self.deletion_publication[-1].item.position == (len(self.texts[room]), len(self.deleted[room]))
        self.tell(self.deletion_publication, heard)
        self.deletion_publication.clear()

    @rule(target=followers, room=ROOMS, count=st.integers(1, 5))
    def arrive(self, room: str, count: int) -> Follower:
        page = log.newest(room, count)
        follower = Follower(room, page.position, page.before.seq + 1)
        follower.take(list(page.items))
        self.everybody.append(follower)
        return follower

    @rule(follower=followers, limit=st.integers(1, 4))
    def read_on(self, follower: Follower, limit: int) -> None:
        read(follower, limit)

    @invariant()
    def who_is_up_to_date_shows_what_is_stored(self) -> None:
        for follower in self.everybody:
            self.check(follower)

    def teardown(self) -> None:
        for follower in getattr(self, "everybody", []):
            end = (len(self.texts[follower.room]), len(self.deleted[follower.room]))
            while follower.position != end:
                before = sum(follower.position)
                read(follower, 1)
                assert sum(follower.position) > before
            self.check(follower)

    def check(self, follower: Follower) -> None:
        """Compare what a client that is up to date shows with what is stored."""
        texts, deleted = self.texts[follower.room], self.deleted[follower.room]
        if follower.position == (len(texts), len(deleted)):
            stored = {seq: text for seq, text in enumerate(texts, 1) if seq not in deleted and seq >= follower.since}
            assert follower.shown == stored

    def tell(self, announcements: list[Announcement], heard: bool) -> None:
        """Let the clients hear news, or nobody."""
        for follower in self.everybody if heard else []:
            for entry in announcements:
                follower.hear(entry)


def read(follower: Follower, limit: int) -> None:
    """Let a client read on in the log."""
    page = log.after(follower.room, follower.position, limit)
    assert page.before == follower.position
    follower.take(list(page.items))
    follower.position = page.position


@pytest.mark.django_db(transaction=True)
def test_clients_end_with_what_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "announce", LogMachine.deletion_publication.append)
    quiet = settings(max_examples=60, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(LogMachine, settings=quiet)
