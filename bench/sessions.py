"""Makes login sessions: `python -m bench.sessions 1000` prints a key a line, for the settings of its environment.

They are like those of visitors, but for their names, which count up: thousands of random ones take minutes.
"""

import os
import sys

import django


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatproject.settings")
    django.setup()
    from django.db import transaction

    from chat.models import Visitor
    from chat.sessions import SessionStore

    with transaction.atomic():
        first = Visitor.objects.count()
        for name in range(first, first + int(sys.argv[1])):
            session = SessionStore()
            visitor = Visitor.objects.create(name=name)
            session.update({"visitor": visitor.pk, "name": visitor.name})
            session.save()
            print(session.session_key)


if __name__ == "__main__":
    main()
