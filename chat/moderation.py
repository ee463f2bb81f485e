"""What moderators do: the only writer of bans and silences.

Each function is one transaction (or part of the caller's), may be called again with the same result, and takes effect
when it commits, on all processes: for messages, new pages and handshakes by what stands in the database, for live
sockets by news, or else by the next sweep. An address that is banned at one process gets pages of another for
`chat.bans.SECONDS` at most.

A ban keeps the login session: it is what the visitor is known by when coming back. Who throws the cookie away is
somebody new, which only a ban of the address prevents.
"""

from collections.abc import Collection, Iterable
from datetime import datetime
from uuid import UUID, uuid4

from django.db import transaction

from channels_socketio import BANNED, end_sessions, look_at_all, network_of
from chat import services
from chat.bans import ban_list
from chat.models import FOREVER, AddressBan, LoginSession, Message, Visitor
from chat.services import Draft, Receipt

ANNOUNCER = "announcement"  # no guest's name, for it is not all digits


def ban(
    visitors: Collection[int], until: datetime = FOREVER, with_address: bool = False, reason: str = ""
) -> list[Visitor]:
    """Let visitors in no more until then, and end their sockets; with their addresses if that is wanted.

    Returns those who are still there. The reason is kept with the addresses.
    """
    with transaction.atomic():
        found = change(visitors, banned_until=until)
        sessions = LoginSession.objects.filter(visitor__in=found)
        end_sessions(sessions.values_list("session_key", flat=True), BANNED)
        if with_address:
            for network in sorted({visitor.address for visitor in found if visitor.address}):
                ban_address(network, until, reason)
    return found


def unban(visitors: Collection[int], with_address: bool = False) -> list[Visitor]:
    """Let visitors in again, and their addresses if that is wanted; returns those who are still there."""
    with transaction.atomic():
        found = change(visitors, banned_until=None)
        if with_address:
            unban_addresses({visitor.address for visitor in found})
    return found


def mute(visitors: Collection[int], until: datetime = FOREVER) -> list[Visitor]:
    """Let visitors say nothing until then; returns those who are still there."""
    return change(visitors, muted_until=until)


def unmute(visitors: Collection[int]) -> list[Visitor]:
    """Let visitors speak again; returns those who are still there."""
    return change(visitors, muted_until=None)


@transaction.atomic
def change(visitors: Collection[int], **values: datetime | None) -> list[Visitor]:
    """Set columns of visitors; returns those who are still there, locked in one order everywhere."""
    found = list(Visitor.objects.filter(pk__in=visitors).order_by("pk").select_for_update())
    Visitor.objects.filter(pk__in=[visitor.pk for visitor in found]).update(**values)
    return found


def ban_address(network: str, until: datetime = FOREVER, reason: str = "") -> AddressBan:
    """Let nobody in from an address or network until then, and end all connections from there.

    Raises ValueError when it is neither.
    """
    network = str(network_of(network))
    with transaction.atomic():
        made, _ = AddressBan.objects.update_or_create(network=network, defaults={"until": until, "reason": reason})
        transaction.on_commit(ban_list.forget)
        look_at_all()
    return made


def unban_addresses(networks: Collection[str]) -> int:
    """Let everybody in again from these networks, written as in `AddressBan`; returns how many were banned."""
    with transaction.atomic():
        count, _ = AddressBan.objects.filter(network__in=networks).delete()
        transaction.on_commit(ban_list.forget)
    return count


def delete_messages(messages: Iterable[Message]) -> list[Message]:
    """Take messages back from every page; returns those that were still there. Each is read with its room."""
    with transaction.atomic():
        # Rooms are locked in the order in which `services` locks them.
        ordered = sorted(messages, key=lambda message: (message.room_id, message.seq))
        return [message for message in ordered if services.delete_message(message.room.slug, message.seq)]


def end_login_sessions(sessions: Iterable[LoginSession]) -> int:
    """End login sessions one by one, so that each one's sockets hear of it; returns how many were still there."""
    with transaction.atomic():
        return sum(bool(session.delete()[0]) for session in sessions)


def announce(room: str, text: str, announcement: UUID | None = None) -> Receipt | None:
    """Say something in a room as the site; with the same `announcement` it is said once. Raises Refused.

    Returns None when it was said before.
    """
    client_id = announcement or uuid4()
    with transaction.atomic():
        services.lock_rooms([room])
        if Message.objects.filter(visitor=None, client_id=client_id).exists():
            return None
        return services.post(Draft(room, ANNOUNCER, text, client_id=client_id))
