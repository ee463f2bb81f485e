"""Makes login sessions: `python -m bench.sessions 1000` prints a key a line, for the settings of its environment."""

import os
import sys

import django


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatproject.settings")
    django.setup()
    from chat import names
    from chat.sessions import SessionStore

    for _ in range(int(sys.argv[1])):
        session = SessionStore()
        names.assign(session)
        print(session.session_key)


if __name__ == "__main__":
    main()
