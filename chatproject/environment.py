"""The settings that come from the environment, read and checked in one place.

A wrong value ends the process with one line on standard error and exit status 1, before
Django starts: an operator's typing mistake is no reason for a traceback.
"""

import os
import re
import secrets
import tempfile
from importlib.util import find_spec
from ipaddress import ip_network
from pathlib import Path
from typing import Any, NoReturn

import environ  # type: ignore[import-untyped]  # it ships without type hints

ON = {"on", "true", "yes", "1"}
OFF = {"off", "false", "no", "0"}
THIS_MACHINE = (".localhost", "127.0.0.1", "[::1]")  # as Django itself has it while DEBUG is on
POSTGRESQL: dict[str, Any] = {
    "pool": {"min_size": 1, "max_size": 10, "timeout": 5},
    "connect_timeout": 5,
    "tcp_user_timeout": 10_000,  # ms: a server that has gone without a word
    "options": "-c lock_timeout=5s",  # as SQLite's timeout
}
ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#@\s]*", re.IGNORECASE)
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
LOG_FORMATS = ("line", "json")
REDIS_SCHEMES = ("redis://", "rediss://", "unix://")


def fail(name: str, expected: str, found: str) -> NoReturn:
    """End the process: the setting `name` has a value that cannot be used."""
    raise SystemExit(f"{name}: expected {expected}, got {found!r}.")


def switch(name: str, default: bool) -> bool:
    """Return the setting `name` as on or off; empty counts as unset."""
    text = os.environ.get(name, "").strip()
    if not text:
        return default
    if text.lower() not in ON | OFF:
        fail(name, "on or off", text)
    return text.lower() in ON


def choice(name: str, choices: tuple[str, ...], default: str) -> str:
    """Return the setting `name`, one of `choices`, which may be written in any case; empty counts as unset."""
    text = os.environ.get(name, "").strip()
    if not text:
        return default
    for word in choices:
        if word.lower() == text.lower():
            return word
    fail(name, f"{', '.join(choices[:-1])} or {choices[-1]}", text)


def words(name: str) -> list[str]:
    """Return the setting `name`, a list separated by commas, without empty parts."""
    return [word for part in os.environ.get(name, "").split(",") if (word := part.strip())]


def database(default: str, base: Path) -> dict[str, Any]:
    """Return Django's dictionary for `DATABASE_URL`: SQLite or PostgreSQL."""
    url = os.environ.get("DATABASE_URL", "").strip() or default
    scheme = url.partition(":")[0]
    if scheme not in {"sqlite", "postgres", "postgresql"}:
        fail("DATABASE_URL", "sqlite:///path or postgresql://user:password@host/name", scheme)
    try:
        config: dict[str, Any] = environ.Env.db_url_config(url)
    except (environ.ImproperlyConfigured, ValueError):
        # Neither the URL nor the error is shown: both may hold a part of a password.
        raise SystemExit("DATABASE_URL: expected a percent-encoded URL, got one that cannot be read.") from None
    if config["NAME"] in {"", ":memory:"}:
        # In memory, each thread would have an empty database of its own.
        fail("DATABASE_URL", "the name of a database at its end", config["NAME"])
    if scheme != "sqlite" and (find_spec("psycopg") is None or find_spec("psycopg_pool") is None):
        raise SystemExit("DATABASE_URL: PostgreSQL needs a driver; install it with: pip install 'psycopg[binary,pool]'")
    if scheme == "sqlite":
        config["NAME"] = str(base / config["NAME"])
        # A file, because threads share it; one for each process, because test runs may not.
        config["TEST"] = {"NAME": str(Path(tempfile.gettempdir()) / f"chat-test-{os.getpid()}.sqlite3")}
        config["OPTIONS"] = {
            "transaction_mode": "IMMEDIATE",
            "timeout": 5,
            # FULL: what was answered for is on disk, also when the power fails. Group commit makes it cheap.
            # secure_delete: what is erased is overwritten in the file, which is the default of some builds only.
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA secure_delete=ON;",
        }
    else:
        config["CONN_MAX_AGE"] = 0  # the pool keeps them
        config["CONN_HEALTH_CHECKS"] = True  # a server that was started again is found out about before a query
        config["OPTIONS"] = POSTGRESQL | config.get("OPTIONS", {})
    return config


def redis_urls() -> list[str]:
    """Return the addresses in `REDIS_URL`: none, one, or several separated by commas."""
    urls = words("REDIS_URL")
    for url in urls:
        if not url.startswith(REDIS_SCHEMES):
            fail("REDIS_URL", "an address that starts with " + " or ".join(REDIS_SCHEMES), url.partition(":")[0])
    return urls


def allowed_hosts() -> list[str]:
    """Return `ALLOWED_HOSTS`: the names under which the site may be asked for, by default this machine's own."""
    hosts = words("ALLOWED_HOSTS") or list(THIS_MACHINE)
    for host in hosts:
        if "/" in host:
            fail("ALLOWED_HOSTS", "host names without a scheme or path", host)
    return hosts


def trusted_origins() -> list[str]:
    """Return `CSRF_TRUSTED_ORIGINS`: origins with a scheme, which need not be HTTP's."""
    origins = words("CSRF_TRUSTED_ORIGINS")
    for origin in origins:
        if not ORIGIN.fullmatch(origin):
            fail("CSRF_TRUSTED_ORIGINS", "origins such as https://example.com", origin)
    return origins


def trusted_proxies() -> list[str]:
    """Return `TRUSTED_PROXIES`: addresses and networks of proxies whose X-Forwarded-For is believed, or `unix`."""
    proxies = words("TRUSTED_PROXIES")
    for proxy in proxies:
        try:
            if proxy != "unix":
                ip_network(proxy)
        except ValueError:
            fail("TRUSTED_PROXIES", "addresses, networks such as 10.0.0.0/8, or unix", proxy)
    return proxies


def secret_key(debug: bool, base: Path) -> str:
    """Return `SECRET_KEY`; for development one is made and kept in a file that git ignores.

    It is kept because session data is signed with it: a new key at each start would take
    everybody's name away.
    """
    key = os.environ.get("SECRET_KEY", "")
    if key:
        return key
    if not debug:
        raise SystemExit(
            "SECRET_KEY: expected a long random text because DEBUG is off, got nothing. "
            "Make one with: python -c 'import secrets; print(secrets.token_urlsafe(50))'"
        )
    path = base / ".secret_key"
    try:
        if not path.exists():
            make_key_file(path)
        return path.read_text().strip()
    except OSError as error:
        raise SystemExit(f"SECRET_KEY: expected it in the environment or in {path}, got {error}.") from error


def make_key_file(path: Path) -> None:
    """Write a new key to `path`; of several that start at once, one does it for all."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    draft.touch(mode=0o600)
    draft.write_text(secrets.token_urlsafe(50))
    try:
        path.hardlink_to(draft)  # complete from its first moment, and never written over
    except FileExistsError:
        pass
    finally:
        draft.unlink()
