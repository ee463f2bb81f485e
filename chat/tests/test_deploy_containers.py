"""Dockerfile and compose.yaml: each command in them runs, outside a container, with the files of the image."""

import json
import re
import shlex
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from channels_socketio.servers.serve import CLOSE_SECONDS, GRACE_SECONDS
from channels_socketio.tests.support.processes import ROOT, Process, free_port, require, wait_until
from chat.tests.deployment import DEPLOY, SECRETS, clean, read_yaml, replaced, run, variables
from chat.tests.postgres import Postgres

VARIABLE = re.compile(r"\$\{([A-Z_]+)(?:(:\?|:-)([^}]*))?\}")
FILLED_IN = SECRETS | {"POSTGRES_PASSWORD": "pass-word_1"}


def instructions() -> list[tuple[str, str]]:
    """Return the instructions of the Dockerfile: name and the rest."""
    lines = [line for line in (DEPLOY / "Dockerfile").read_text().splitlines() if not line.startswith("#")]
    text = "\n".join(lines).replace("\\\n", " ")
    pairs = [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]
    return [(name, " ".join(rest.split())) for name, rest in pairs]


def instruction(name: str) -> str:
    """Return the only instruction of that name."""
    (found,) = [rest for each, rest in instructions() if each == name]
    return found


def image_environment() -> dict[str, str]:
    """Return the variables that the image sets."""
    return dict(word.split("=", 1) for word in shlex.split(instruction("ENV")))


def is_ignored(path: str) -> bool:
    """Return whether .dockerignore keeps a file out: the last pattern decides that matches it or a folder above."""
    ignored = False
    parts = path.split("/")
    above = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if line and not line.startswith("#"):
            pattern = re.escape(line.removeprefix("!")).replace(r"\*\*/", "(?:.*/)?").replace(r"\*", "[^/]*")
            if any(re.fullmatch(pattern, each) for each in above):
                ignored = not line.startswith("!")
    return ignored


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the Dockerfile copies from the repository."""
    folder = tmp_path_factory.mktemp("image") / "srv"
    for name, rest in instructions():
        if name == "COPY":
            *sources, target = rest.split()
            for source in sources:
                files = [path for path in [ROOT / source, *(ROOT / source).rglob("*")] if path.is_file()]
                found = [path for path in files if not is_ignored(str(path.relative_to(ROOT)))]
                assert found, f"expected files for COPY {rest}, got none"
                for path in found:
                    inside = path.relative_to(ROOT / source) if source.endswith("/") else path.name
                    copy = folder / target / inside
                    copy.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(path, copy)
    return folder


def serving(image: Path, port: int, env: dict[str, str], log: Path) -> Process:
    """Return the process that the image's CMD starts, on a port of its own."""
    command = json.loads(replaced(instruction("CMD"), {"0.0.0.0:8000": f"127.0.0.1:{port}"}))
    whole = clean(image_environment() | env)
    return Process(
        ["env", "--ignore-environment", "--chdir", str(image), *(f"{k}={v}" for k, v in whole.items()), *command], log
    )


def health(image: Path, port: int, env: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    """Run the image's health check."""
    command = json.loads(replaced(instruction("HEALTHCHECK").partition(" CMD ")[2], {"8000": str(port)}))
    return subprocess.run(command, cwd=image, env=clean(env), capture_output=True, text=True, timeout=30, check=False)


def await_health(image: Path, port: int, env: dict[str, str], process: Process) -> None:
    """Wait until the health check is content."""
    wait_until(lambda: health(image, port, env).returncode == 0, f"it was healthy: {process.output()}", 30)


def test_the_image_has_what_the_server_needs_and_its_health_check_tells(image: Path, tmp_path: Path) -> None:
    port, env = free_port(), SECRETS | {"DATABASE_URL": f"sqlite:///{tmp_path / 'chat.sqlite3'}"}
    run([sys.executable, "manage.py", "migrate", "--verbosity", "0"], image_environment() | env, image)
    process = serving(image, port, env, tmp_path / "log")
    process.start()
    try:
        await_health(image, port, env, process)
        page = urllib.request.Request(
            f"http://127.0.0.1:{port}/", headers={"Host": "chat.example", "X-Forwarded-Proto": "https"}
        )
        with urllib.request.urlopen(page, timeout=10) as answer:
            script = re.search(r'src="(/static/chat/[^"]+)"', answer.read().decode())
            assert script is not None
        page.full_url = f"http://127.0.0.1:{port}{script[1]}"
        with urllib.request.urlopen(page, timeout=10) as answer:
            assert answer.status == 200
    finally:
        status = process.stop()
    assert status == 0, process.output()
    done = health(image, port, env)
    assert done.returncode == 1
    assert re.fullmatch(rf"http://127.0.0.1:{port}/readyz: expected status 200, got: .*\n", done.stderr)
    assert not (image / ".secret_key").exists()


def test_the_server_needs_its_secrets_from_outside(image: Path) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=image,
        env=clean(image_environment()),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr.startswith("SECRET_KEY: expected a long random text because DEBUG is off, got nothing.")


@pytest.mark.parametrize(
    "path",
    [
        ".secret_key",
        ".env",
        ".git/config",
        "db.sqlite3",
        "db.sqlite3-wal",
        "deploy/chat.env",
        "deploy/tls/privkey.pem",
        "chat/tests/conftest.py",
        "channels_socketio/tests/node/client.js",
        "chat/__pycache__/models.cpython-313.pyc",
    ],
)
def test_secrets_and_tests_stay_out_of_the_image(path: str) -> None:
    assert is_ignored(path)


@pytest.mark.parametrize(
    "path", ["manage.py", "chat/models.py", "chat/migrations/0001_initial.py", "deploy/healthcheck.py"]
)
def test_the_code_does_not(path: str) -> None:
    assert not is_ignored(path)


def test_the_image_is_slim_runs_as_nobody_special_and_holds_no_secret() -> None:
    names = [name for name, _ in instructions()]
    assert re.fullmatch(r"python:3\.\d+-slim", instruction("FROM"))
    assert instruction("USER") == "chat"
    assert names.index("USER") < names.index("HEALTHCHECK") < names.index("CMD")
    assert names.index("USER") > max(index for index, name in enumerate(names) if name in {"RUN", "COPY"})
    assert not re.search(
        "SECRET|PASSWORD|KEY|TOKEN", f"{image_environment()}{[r for n, r in instructions() if n == 'ARG']}"
    )


def test_what_the_image_installs_is_all_that_is_needed() -> None:
    (command,) = [rest for name, rest in instructions() if name == "RUN" and rest.startswith("pip ")]
    assert "--requirement requirements.txt" in command
    run([sys.executable, "-m", *shlex.split(command), "--dry-run", "--no-index", "--quiet"], {})


@pytest.fixture(scope="module")
def compose() -> Any:
    """What compose.yaml says, with the variables filled in."""
    text = "\n".join(line.partition(" #")[0] for line in (DEPLOY / "compose.yaml").read_text().splitlines())
    return read_yaml(VARIABLE.sub(lambda found: FILLED_IN.get(found[1]) or found[3], text))


def test_the_example_names_each_variable_that_must_be_set() -> None:
    found = VARIABLE.findall((DEPLOY / "compose.yaml").read_text())
    assert {name for name, kind, _ in found if kind == ":?"} == variables(DEPLOY / "chat.env.example").keys()
    assert all(message == "set it in deploy/chat.env" for _, kind, message in found if kind == ":?")
    assert set(variables(DEPLOY / "chat.env.example").values()) == {""}
    assert {"/deploy/chat.env", "/deploy/tls/"} <= set((ROOT / ".gitignore").read_text().splitlines())


def test_files_and_services_that_compose_names_are_there(compose: Any) -> None:
    services = compose["services"]
    for name, service in services.items():
        assert "image" in service
        for other in service.get("depends_on", {}):
            assert other in services, name
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert source in compose["volumes"] or source == "./tls" or (DEPLOY / source).is_file()
    assert (DEPLOY / services["migrate"]["build"]["context"] / services["migrate"]["build"]["dockerfile"]).is_file()
    upstream = (DEPLOY / "nginx" / "upstream.compose.conf").read_text()
    serve = [name for name, service in services.items() if service["image"] == "chat" and "command" not in service]
    assert re.findall(r"server ([\w-]+):8000;", upstream) == serve == ["chat-1", "chat-2"]
    for name in serve:
        assert int(services[name]["stop_grace_period"].removesuffix("s")) > CLOSE_SECONDS + GRACE_SECONDS
        assert services[name]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"


@pytest.fixture
def redis(compose: Any, tmp_path: Path) -> Iterator[int]:
    """Redis, as compose.yaml starts it, and its port; it passes its health check."""
    require(shutil.which("redis-server") is not None, "a Redis server")
    port, service = free_port(), compose["services"]["redis"]
    process = Process([*service["command"], "--port", str(port), "--dir", str(tmp_path)], tmp_path / "redis.log")
    process.start()
    _, *check = service["healthcheck"]["test"]
    check[1:1] = ["-p", str(port)]
    try:
        wait_until(
            lambda: subprocess.run(check, capture_output=True, check=False).stdout == b"PONG\n", process.output()
        )
        yield port
    finally:
        process.kill()


def test_the_services_run_with_the_environment_of_compose(
    compose: Any, image: Path, postgres: Postgres, redis: int, tmp_path: Path
) -> None:
    services = compose["services"]
    _, *check = services["postgres"]["healthcheck"]["test"]
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"))
    run([str(programs / check[0]), *check[1:], "--host=127.0.0.1", f"--port={postgres.port}"], {})
    address = {"@postgres/chat": f"@127.0.0.1:{postgres.port}/postgres"}

    def environment(service: str) -> dict[str, str]:
        env = dict(services[service]["environment"])
        assert env["DATABASE_URL"] == "postgresql://chat:pass-word_1@postgres/chat"
        env["DATABASE_URL"] = replaced(env["DATABASE_URL"], address)
        env["REDIS_URL"] = replaced(env["REDIS_URL"], {"redis:6379": f"127.0.0.1:{redis}"})
        return image_environment() | env

    _, *migrate = services["migrate"]["command"]
    assert "Applying chat." in run([sys.executable, *migrate], environment("migrate"), image).stdout
    with ExitStack() as stack:
        processes = []
        for name in ("chat-1", "chat-2"):
            port, env = free_port(), environment(name)
            process = serving(image, port, env, tmp_path / name)
            process.start()
            stack.callback(process.kill)
            processes.append((port, env, process))
        for port, env, process in processes:
            await_health(image, port, env, process)
            assert "channel layer: RedisPubSubChannelLayer" in process.output()
        _, *clear = services["clearsessions"]["command"]
        run([sys.executable, *clear], environment("clearsessions"), image)
        assert all(process.stop() == 0 for _, _, process in processes)
