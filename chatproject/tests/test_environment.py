"""Settings from the environment: a wrong value stops the start with one line."""

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from channels_socketio.tests.support.processes import ROOT
from chatproject import environment

OURS = (
    "SECRET_KEY",
    "SECRET_KEY_FALLBACKS",
    "DEBUG",
    "ALLOWED_HOSTS",
    "CSRF_TRUSTED_ORIGINS",
    "DATABASE_URL",
    "REDIS_URL",
    "HTTPS",
    "LIMITS",
    "TRUSTED_PROXIES",
    "LOG_LEVEL",
    "LOG_FORMAT",
)
PRODUCTION = {
    "DEBUG": "off",
    "SECRET_KEY": "0123456789 abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "ALLOWED_HOSTS": "chat.example.com",
    "CSRF_TRUSTED_ORIGINS": "https://chat.example.com",
}
WRONG = [
    ({"DEBUG": "maybe"}, "DEBUG: expected on or off, got 'maybe'."),
    ({"HTTPS": "2"}, "HTTPS: expected on or off, got '2'."),
    (
        {"TRUSTED_PROXIES": "proxy"},
        "TRUSTED_PROXIES: expected addresses, networks such as 10.0.0.0/8, or unix, got 'proxy'.",
    ),
    (
        {"TRUSTED_PROXIES": "::1,10.1.2.3/8"},
        "TRUSTED_PROXIES: expected addresses, networks such as 10.0.0.0/8, or unix, got '10.1.2.3/8'.",
    ),
    ({"LOG_LEVEL": "loud"}, "LOG_LEVEL: expected DEBUG, INFO, WARNING, ERROR or CRITICAL, got 'loud'."),
    ({"LOG_FORMAT": "xml"}, "LOG_FORMAT: expected line or json, got 'xml'."),
    ({"LIMITS": "none"}, "LIMITS: expected on or off, got 'none'."),
    ({"DEBUG": "off"}, "SECRET_KEY: expected a long random text because DEBUG is off, got nothing. "),
    ({"ALLOWED_HOSTS": "a.example,https://b.example/"}, "ALLOWED_HOSTS: expected host names without a scheme or path"),
    ({"CSRF_TRUSTED_ORIGINS": "b.example"}, "CSRF_TRUSTED_ORIGINS: expected origins such as https://example.com"),
    ({"CSRF_TRUSTED_ORIGINS": "https://b.example/"}, "CSRF_TRUSTED_ORIGINS: expected origins such as https://"),
    ({"DATABASE_URL": "mysql://u:s3cret@h/d"}, "DATABASE_URL: expected sqlite:///path or postgresql://"),
    ({"DATABASE_URL": "s3cret"}, "DATABASE_URL: expected sqlite:///path or postgresql://"),
    ({"DATABASE_URL": "postgresql://u:s3cret/@h/d"}, "DATABASE_URL: expected a percent-encoded URL"),
    ({"DATABASE_URL": "postgresql://u:s3cret@h:99999/d"}, "DATABASE_URL: expected a percent-encoded URL"),
    ({"DATABASE_URL": "postgresql://u:s3cret@h"}, "DATABASE_URL: expected the name of a database at its end, got ''."),
    ({"DATABASE_URL": "sqlite://:memory:"}, "DATABASE_URL: expected the name of a database at its end"),
    ({"REDIS_URL": "redis://a:1,b:2"}, "REDIS_URL: expected an address that starts with redis:// or rediss://"),
]


def manage(env: dict[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run manage.py with `env` as the only settings."""
    clean = {name: value for name, value in os.environ.items() if name not in OURS}
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(command, cwd=ROOT, env=clean | env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("env", "line"), WRONG, ids=[" ".join(f"{k}={v}" for k, v in env.items()) for env, _ in WRONG])
def test_a_wrong_value_stops_the_start_with_one_line(env: dict[str, str], line: str) -> None:
    done = manage(env, "check")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith(line)
    assert done.stderr.count("\n") == 1
    assert "s3cret" not in done.stderr.replace("got 's3cret'", "")


def test_production_settings_have_no_warning() -> None:
    done = manage(PRODUCTION, "check", "--deploy", "--fail-level", "WARNING")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("System check identified no issues")


def test_https_is_on_in_production_and_can_be_turned_off() -> None:
    script = "from django.conf import settings as s; print(s.SESSION_COOKIE_SECURE, s.CSRF_COOKIE_SECURE, s.HTTPS)"
    assert manage(PRODUCTION, "shell", "--verbosity=0", "-c", script).stdout.split() == ["True"] * 3
    assert manage(PRODUCTION | {"HTTPS": "off"}, "shell", "--verbosity=0", "-c", script).stdout.split() == ["False"] * 3


@pytest.mark.parametrize("text", ["on", "ON", "true", "yes", "1", " on "])
def test_words_for_on(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMITS", text)
    assert environment.switch("LIMITS", default=False)


@pytest.mark.parametrize("text", ["off", "Off", "false", "no", "0"])
def test_words_for_off(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMITS", text)
    assert not environment.switch("LIMITS", default=True)


@pytest.mark.parametrize("default", [True, False])
def test_an_empty_value_is_the_default(default: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMITS", "")
    assert environment.switch("LIMITS", default) is default


def test_the_readme_has_each_variable() -> None:
    table = (ROOT / "docs" / "reference" / "settings.md").read_text().partition("| variable |")[2].partition("\n\n")[0]
    assert sorted(re.findall(r"^\| `([A-Z_]+)` \|", table, re.MULTILINE)) == sorted(OURS)
    asked = re.compile(r"""(?:switch|choice|words|environ\.get)\("([A-Z_]+)\"""")
    code = [(ROOT / "chatproject" / name).read_text() for name in ("environment.py", "settings.py")]
    assert set(asked.findall("".join(code))) == set(OURS)


@pytest.mark.parametrize(("text", "word"), [("json", "json"), (" JSON ", "json"), ("line", "line"), ("", "line")])
def test_a_choice_may_be_written_in_any_case(text: str, word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_FORMAT", text)
    assert environment.choice("LOG_FORMAT", environment.LOG_FORMATS, "line") == word


def test_a_list_is_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", " redis://a:1 ,, rediss://b:2,")
    assert environment.redis_urls() == ["redis://a:1", "rediss://b:2"]


def test_origins_may_have_any_scheme_and_a_wildcard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "CSRF_TRUSTED_ORIGINS", "https://*.b.example:8443,capacitor://localhost,http://[::1]:3000,file://"
    )
    assert len(environment.trusted_origins()) == 4


def test_a_database_file_is_below_the_project_unless_its_path_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "")
    assert environment.database("sqlite:///db.sqlite3", Path("/base"))["NAME"] == "/base/db.sqlite3"
    monkeypatch.setenv("DATABASE_URL", "sqlite:////var/lib/chat.sqlite3")
    assert environment.database("sqlite:///db.sqlite3", Path("/base"))["NAME"] == "/var/lib/chat.sqlite3"


def test_a_database_on_another_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("psycopg")
    monkeypatch.setenv("DATABASE_URL", "postgresql://ada:p%40ss@db.example:5433/chat")
    config = environment.database("sqlite:///db.sqlite3", Path("/base"))
    assert config["ENGINE"] == "django.db.backends.postgresql"
    assert [config[key] for key in ("USER", "PASSWORD", "HOST", "PORT", "NAME")] == [
        *("ada", "p@ss", "db.example", 5433, "chat")
    ]


def test_connections_to_postgresql_are_bounded_and_wait_for_nothing_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("psycopg_pool")
    monkeypatch.setenv("DATABASE_URL", "postgresql://db.example/chat?sslmode=require&connect_timeout=2&conn_max_age=60")
    config = environment.database("sqlite:///db.sqlite3", Path("/base"))
    assert config["OPTIONS"] == {
        "pool": {"min_size": 1, "max_size": 10, "timeout": 5},
        "connect_timeout": 2,
        "tcp_user_timeout": 10_000,
        "options": "-c lock_timeout=5s",
        "sslmode": "require",
    }
    assert (config["CONN_MAX_AGE"], config["CONN_HEALTH_CHECKS"]) == (0, True)


def test_a_key_is_made_once_for_its_owner_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SECRET_KEY", raising=False)
    with ThreadPoolExecutor(8) as threads:
        keys = set(threads.map(lambda number: environment.secret_key(True, tmp_path), range(8)))
    assert len(keys) == 1
    assert len(keys.pop()) >= 50
    assert [path.name for path in tmp_path.iterdir()] == [".secret_key"]
    assert (tmp_path / ".secret_key").stat().st_mode & 0o077 == 0


def test_a_key_that_cannot_be_kept_stops_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SECRET_KEY", raising=False)
    with pytest.raises(SystemExit, match=r"SECRET_KEY: expected it in the environment or in .*, got "):
        environment.secret_key(True, tmp_path / "missing")
