"""What is stored about a visitor, as JSON: `manage.py export VISITOR`."""

import json
from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.serializers.json import DjangoJSONEncoder
from django.db import DatabaseError

from chat.management.commands.forget import checked_visitor, unknown_visitor
from chat.models import LiveConnection, LoginSession, Message, Visitor


class Command(BaseCommand):
    """Prints everything that is stored about one visitor, but for the session key, which is a credential."""

    help = "Prints what is stored about one visitor, as JSON."

    def add_arguments(self, parser: CommandParser) -> None:
        """Part of Django's contract."""
        parser.add_argument("visitor", metavar="VISITOR", help="the ID in the console's list of visitors, not the name")

    def handle(self, *args: Any, visitor: str, **options: Any) -> None:
        """Print it."""
        pk = checked_visitor(visitor)
        try:
            data = stored_about(pk)
        except Visitor.DoesNotExist:
            raise unknown_visitor(pk) from None
        except DatabaseError as error:
            raise CommandError(f"The visitor was not exported: {error}") from error
        self.stdout.write(json.dumps(data, cls=DjangoJSONEncoder, ensure_ascii=False, indent=2))


def stored_about(pk: int) -> dict[str, Any]:
    """Return all columns of all rows that belong to a visitor; raises Visitor.DoesNotExist."""
    sessions = LoginSession.objects.filter(visitor=pk)
    history = LogEntry.objects.filter(content_type=ContentType.objects.get_for_model(Visitor), object_id=pk)
    return {
        "visitor": Visitor.objects.values().get(pk=pk),
        "login_sessions": list(sessions.values("id", "expire_date", "user__username")),
        "live_connections": list(
            LiveConnection.objects.filter(login_session__in=sessions).values(
                "rooms", "transport", "address", "user_agent", "since"
            )
        ),
        "messages": list(
            Message.objects.filter(visitor=pk)
            .order_by("room", "seq")
            .values("room__slug", "seq", "at", "name", "text", "client_id", "deleted_at")
        ),
        "moderation": list(history.order_by("pk").values("action_time", "change_message")),
    }
