"""docs/operations/kubernetes.md: probes that a process answers, commands that run, and time enough for the goodbye."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from channels_socketio.options import Options
from channels_socketio.servers.serve import CLOSE_SECONDS, GRACE_SECONDS
from channels_socketio.tests.support.processes import accepts_connections
from chat.health import TIMEOUT
from chat.tests.deployment import SECRETS, blocks, read_yaml, run
from chat.tests.site import Site


@pytest.fixture(scope="module")
def manifests() -> Any:
    """The manifests by kind."""
    return {manifest["kind"]: manifest for manifest in map(read_yaml, blocks("kubernetes", "yaml"))}


def pod(manifest: Any) -> Any:
    """Return the pod of a job, a deployment or a cron job."""
    spec = manifest["spec"]
    return spec.get("jobTemplate", {}).get("spec", spec)["template"]["spec"]


def container(manifest: Any) -> Any:
    """Return the only container of a manifest."""
    (found,) = pod(manifest)["containers"]
    return found


class NamedSite(Site):
    """A site that does not answer under its own address: it is there when it listens."""

    def _answers(self) -> bool:
        return accepts_connections(self.port)


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site as it is in production, which its own address is no name of."""
    site = NamedSite(tmp_path_factory.mktemp("site"), "serve", SECRETS | {"DEBUG": "off"})
    yield site.start()
    site.kill()


def probe(site: Site, path: str, host: str) -> int:
    """Return the status of an answer, 0 without one."""
    try:
        with urlopen(Request(f"{site.url}{path}", headers={"Host": host}), timeout=5) as answer:
            return int(answer.status)
    except OSError:
        return 0


@pytest.mark.parametrize("kind", ["startupProbe", "livenessProbe", "readinessProbe"])
def test_a_process_answers_the_probes(manifests: Any, production: Site, kind: str) -> None:
    get = container(manifests["Deployment"])[kind]["httpGet"]
    (header,) = get["httpHeaders"]
    assert (header["name"], get["port"]) == ("Host", 8000)
    assert probe(production, get["path"], header["value"]) == 200


def test_readiness_has_the_time_that_the_database_has(manifests: Any) -> None:
    assert container(manifests["Deployment"])["readinessProbe"]["timeoutSeconds"] > TIMEOUT


def test_the_commands_run(manifests: Any, tmp_path: Path) -> None:
    env = SECRETS | {"DEBUG": "off", "DATABASE_URL": f"sqlite:///{tmp_path / 'chat.sqlite3'}"}
    for kind in ("Job", "CronJob"):
        program, *arguments = container(manifests[kind])["command"]
        assert program == "python"
        run([sys.executable, *arguments], env)


def test_a_process_has_the_time_that_its_goodbye_takes(manifests: Any) -> None:
    program, seconds = container(manifests["Deployment"])["lifecycle"]["preStop"]["exec"]["command"]
    assert program == "sleep"
    grace = pod(manifests["Deployment"])["terminationGracePeriodSeconds"]
    assert grace > int(seconds) + CLOSE_SECONDS + GRACE_SECONDS


def test_the_ingress_is_sticky_and_waits_longer_than_a_heartbeat(manifests: Any) -> None:
    annotations = manifests["Ingress"]["metadata"]["annotations"]
    prefix = "nginx.ingress.kubernetes.io/"
    assert annotations[f"{prefix}upstream-hash-by"] == "$cookie_sessionid"
    options = Options()
    assert int(annotations[f"{prefix}proxy-read-timeout"]) > options.ping_interval + options.ping_timeout
    assert int(annotations[f"{prefix}proxy-body-size"].removesuffix("m")) * 2**20 > options.max_payload
