"""An official client that polls, at two processes of the chat whose load balancer takes turns."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from channels_socketio.tests.support.balancer import Balancer
from channels_socketio.tests.support.processes import Redis, require_node
from chat.tests.official_clients import PROGRAMS, Host, Line, Program, package_of, wait_for
from chat.tests.site import Site

PARTS = ["connect", "burst", "transport", "chat", "refusedEvent", "binary", "question", "namespaces", "kick"]
PARTS += ["heartbeat", "drop"]


@dataclass
class Cluster:
    """Two sites with one database, and what is in front of them."""

    sites: list[Site]
    balancer: Balancer
    folder: Path

    def client(self, version: str, scenario: str) -> Program:
        """Send a new visitor's client, which polls, through the balancer into a scenario."""
        url = f"http://127.0.0.1:{self.balancer.port}"
        cookie = f"sessionid={self.sites[0].new_cookie()}"
        command = [require_node(), str(PROGRAMS / "client.cjs"), package_of(version), url, scenario, cookie, "polling"]
        return Program(command, self.folder / f"{scenario}-{version}.log")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The two, running."""
    folder = tmp_path_factory.mktemp("cluster")
    redis = Redis(folder).start()
    with ExitStack() as stack:
        stack.callback(redis.stop)
        env = {"REDIS_URL": redis.url, "LIMITS": "off"}
        sites = [Site(folder, "serve", env, "chat.tests.clients_site:application") for _ in range(2)]
        for site in sites:
            stack.callback(site.start().kill)
        yield Cluster(sites, stack.enter_context(Balancer([site.port for site in sites])), folder)


def results(lines: list[Line]) -> dict[str, Any]:
    """Return the result of each part; fail when one went wrong."""
    errors = [line for line in lines if "error" in line]
    assert not errors
    return {line["scenario"]: line.get("result") for line in lines}


@pytest.mark.parametrize("version", ["4.8", "2.5"])
def test_an_official_client_polls_at_both_as_if_they_were_one(cluster: Cluster, version: str) -> None:
    before = dict(cluster.balancer.counts)
    with Host(cluster.sites[1]):
        client = cluster.client(version, "converse")
        try:
            told = results(wait_for(client, "end"))
        finally:
            client.stop()
    assert list(told) == [*PARTS, "end"]
    assert told["transport"] == "polling"
    assert told["burst"]["echoed"] == told["burst"]["acked"] == list(range(told["burst"]["sent"]))
    assert told["binary"]["ack"] == told["binary"]["event"] == told["binary"]["sent"]
    assert told["binary"]["big"] is True
    assert told["heartbeat"] is True
    assert told["drop"]["words"] == list(range(told["drop"]["said"]))
    for port, count in cluster.balancer.counts.items():
        assert count - before[port] > 20
    for site in cluster.sites:
        assert "Traceback" not in site.process.output()


def test_when_its_process_is_killed_the_client_comes_back_at_the_other(cluster: Cluster) -> None:
    first, second = cluster.sites
    second.stop()
    client = cluster.client("4.8", "comeBack")
    try:
        wait_for(client, "here")
        second.start()
        first.stop(signal.SIGKILL)
        told = results(wait_for(client, "end"))
    finally:
        client.stop()
        first.start()
    assert told["back"]["name"] == told["here"]["name"]
    assert told["back"]["ok"] is True
