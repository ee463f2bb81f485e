#!/usr/bin/env python
"""Django's command line for this project."""

import os
import sys


def main() -> None:
    asks_for_help = {"-h", "--help"}.intersection(sys.argv)
    if sys.argv[1:2] == ["serve"] and not os.environ.get("DEBUG") and not asks_for_help:
        os.environ["DEBUG"] = "off"
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatproject.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
