"""The project's settings, with less patience for a PostgreSQL that is away."""

from chatproject.settings import *  # noqa: F403 - all of them
from chatproject.settings import DATABASES

DATABASES["default"]["OPTIONS"]["pool"]["timeout"] = 3
