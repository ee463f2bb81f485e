"""The official clients, unmodified, in Node, Chromium and Python, against the chat in a real server process.

Each goes through everything in three modes at once: with its default options, by polling alone and by WebSocket alone.
See official_clients.py.
"""

import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from channels_socketio.tests.support.processes import servers
from chat.tests.official_clients import FORGED, NO_COOKIE, Clients, Host, Line, Run, wait_for
from chat.tests.site import Site

MODES = ["default", "polling", "websocket"]
VERSIONS = ["4.8", "4.0", "3.1", "2.5", "1.7"]
LEGACY = ("2.5", "1.7")
CLIENTS = [*(f"{place}-{version}" for place in ("node", "chromium") for version in VERSIONS)]
CLIENTS += ["python-sync", "python-async"]
# Asked to stop, plain uvicorn waits for polls that are held.
STOP = {"daphne": signal.SIGTERM, "uvicorn": signal.SIGKILL, "serve": signal.SIGTERM}
SOME = ["node-4.8", "node-1.7", "chromium-4.8", "chromium-2.5", "python-sync", "python-async"]
UNDER = {"serve": CLIENTS, "daphne": SOME, "uvicorn": ["node-4.8"]}
PAIRS = [(server, client) for server in servers(*UNDER) for client in UNDER[server]]


class Story:
    """What became of one client: its reports by mode and part."""

    without_cookie: "Story"
    with_forged_cookie: "Story"

    def __init__(self, client: str, lines: list[Line]) -> None:
        self.client = client
        self.legacy = client.endswith(LEGACY)
        self.python = client.startswith("python")
        self._reports = {(line.get("mode"), line["scenario"]): line for line in lines}

    def of(self, mode: str, part: str) -> Any:
        """Return the result of a part; fail when it went wrong."""
        report = self._reports.get((mode, part), {"error": "never reported"})
        if "error" in report:
            pytest.fail(f"{self.client}, {mode}, {part}: {report['error']}")
        return report["result"]


Serve = Callable[[str], Site]


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clients]:
    """Start clients; the browser only once it is needed."""
    chromiums: list[Iterator[Any]] = []

    def browser() -> Any:
        if not chromiums:
            from chat.tests.browser import chromium  # here, because without Playwright it skips

            chromiums.append(chromium())
            found.append(next(chromiums[0]))
        return found[0]

    found: list[Any] = []
    starter = Clients(tmp_path_factory.mktemp("clients"), browser)
    yield starter
    for generator in chromiums:
        next(generator, None)


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """Run the chat under each kind of server that is asked for."""
    sites: dict[str, Site] = {}

    def running(server: str) -> Site:
        if server not in sites:
            sites[server] = new_site(tmp_path_factory.mktemp(server), server)
        return sites[server]

    yield running
    for site in sites.values():
        stop_site(site)


@pytest.fixture(scope="module", params=PAIRS, ids="-".join)
def story(request: pytest.FixtureRequest, serve: Serve, clients: Clients) -> Story:
    """Send one client through the conversation and into its refusals, once for all tests of it."""
    server, client = request.param
    site = serve(server)
    with Host(site), clients:
        runs = [clients.start(client, site, "converse")]
        runs += [clients.start(client, site, "beRefused", cookie) for cookie in (NO_COOKIE, FORGED)]
        story, without, forged = (Story(client, wait_for(run, "end")) for run in runs)
    story.without_cookie, story.with_forged_cookie = without, forged
    return story


@pytest.mark.parametrize("mode", MODES)
def test_it_connects_as_the_visitor_whose_cookie_it_has(story: Story, mode: str) -> None:
    welcome = story.of(mode, "connect")
    assert welcome["room"] == "lobby"
    assert welcome["name"].isdigit()
    assert {story.of(other, "connect")["name"] for other in MODES} == {welcome["name"]}


@pytest.mark.parametrize("mode", MODES)
def test_with_default_options_it_begins_with_polling_and_upgrades(story: Story, mode: str) -> None:
    expected = {"default": ("polling", "websocket")}.get(mode, (mode, mode))
    assert (story.of(mode, "connect")["first"], story.of(mode, "transport")) == expected


@pytest.mark.parametrize("mode", MODES)
def test_what_is_said_while_it_upgrades_is_neither_lost_nor_doubled_nor_out_of_order(story: Story, mode: str) -> None:
    burst = story.of(mode, "burst")
    assert burst["sent"] >= 30
    assert burst["echoed"] == burst["acked"] == list(range(burst["sent"]))


@pytest.mark.parametrize("mode", MODES)
def test_it_chats_both_ways(story: Story, mode: str) -> None:
    """The host's greeting quotes what it has heard."""
    chat, name = story.of(mode, "chat"), story.of(mode, "connect")["name"]
    assert chat["receipt"]["ok"] is True
    assert chat["own"]["id"] == chat["receipt"]["id"]
    assert chat["own"]["msg"] == f"{name}: {chat['text']}"
    assert chat["reply"]["name"] != name
    assert chat["text"] in chat["reply"]["text"]


@pytest.mark.parametrize("mode", MODES)
def test_a_refused_event_is_acked_as_such_or_else_an_event(story: Story, mode: str) -> None:
    refused = story.of(mode, "refusedEvent")
    assert refused["answer"]["ok"] is False
    assert refused["answer"]["code"] == refused["event"]["code"] == "invalid"


@pytest.mark.parametrize("mode", MODES)
def test_binary_data_go_both_ways_in_events_and_acks(story: Story, mode: str) -> None:
    """Nested, empty, beside text, and larger than what is compressed."""
    binary = story.of(mode, "binary")
    assert binary["sent"][0] == {"hex": "00017f80ff0a0d1e"}
    assert binary["ack"] == binary["event"] == binary["sent"]
    assert binary["big"] is True


@pytest.mark.parametrize("mode", MODES)
def test_it_answers_the_servers_question_with_an_ack(story: Story, mode: str) -> None:
    data = {"hex": "010203"}
    assert story.of(mode, "question") == [data, {"again": [data]}, "ünï 😀"]


@pytest.mark.parametrize("mode", MODES)
def test_other_namespaces_are_joined_apart_or_refused(story: Story, mode: str) -> None:
    result = story.of(mode, "namespaces")
    assert (result["room"], result["ok"], result["heardIn"], result["leaked"]) == ("tea", True, "tea", [])
    assert result["unknown"] == {"message": "Invalid namespace"}
    data = {} if story.legacy else {"data": {"code": "full"}}  # the old protocol has room for a text only
    assert result["locked"] == {"message": "The room is full."} | data


@pytest.mark.parametrize("mode", MODES)
def test_put_out_by_the_server_it_stays_out_and_the_other_namespaces_go_on(story: Story, mode: str) -> None:
    kick = story.of(mode, "kick")
    assert kick["reason"] == ("server disconnect" if story.python else "io server disconnect")
    assert kick["stayedOut"] is True
    assert kick["others"] == "invalid"  # what the main namespace says to an empty message
    if not story.python:  # it cannot join a single namespace again
        assert kick["again"] == "again"


@pytest.mark.parametrize("mode", MODES)
def test_it_keeps_the_heartbeat(story: Story, mode: str) -> None:
    assert story.of(mode, "heartbeat") is True


@pytest.mark.parametrize("mode", MODES)
def test_dropped_by_the_server_it_has_heard_everything_and_comes_back(story: Story, mode: str) -> None:
    drop = story.of(mode, "drop")
    assert drop["words"] == list(range(drop["said"]))
    if story.python and mode == "polling":
        assert drop["reason"] == "server disconnect"  # to this client a close packet means: stay away
    else:
        assert drop["name"] == story.of(mode, "connect")["name"]


@pytest.mark.parametrize("mode", MODES)
def test_without_a_login_session_it_is_refused_each_time_and_never_connects(story: Story, mode: str) -> None:
    for refused, message in (
        (story.without_cookie, "No cookie transmitted."),
        (story.with_forged_cookie, "Session unknown or expired."),
    ):
        refusal = refused.of(mode, "refusal")
        assert refusal["connected"] is False
        assert len(refusal["errors"]) == 2
        for error in [] if story.python else refusal["errors"]:  # the Python client tells no details
            assert error["status"] == (None if mode == "websocket" else 403)
            if story.client.endswith("4.8") and mode != "websocket":  # as the only one, it shows the body
                assert message in error["body"]


# Restart


@pytest.fixture(scope="module")
def returned(tmp_path_factory: pytest.TempPathFactory, clients: Clients) -> Callable[[str, str], Story]:
    """Restart a server under all its clients at once. What a client needs and lacks concerns its own tests only."""
    outcomes: dict[tuple[str, str], Story | BaseException] = {}

    def start(site: Site, pair: tuple[str, str]) -> Run | None:
        try:
            return clients.start(pair[1], site, "comeBack")
        except (pytest.skip.Exception, pytest.fail.Exception) as outcome:
            outcomes[pair] = outcome
            return None

    def come_back(site: Site, server: str) -> None:
        runs = {pair: run for pair in PAIRS if pair[0] == server and (run := start(site, pair)) is not None}
        for run in runs.values():
            wait_for(run, "here", len(MODES))
        status = site.stop(STOP[server])
        assert status == 0 or server != "serve"
        site.start()
        outcomes.update((pair, Story(pair[1], wait_for(run, "end"))) for pair, run in runs.items())

    def story_of(server: str, client: str) -> Story:
        if (server, client) not in outcomes:
            site = new_site(tmp_path_factory.mktemp("restart"), server)
            try:
                with clients:
                    come_back(site, server)
            except pytest.fail.Exception as failure:  # once, not for each client again
                outcomes.update({pair: failure for pair in PAIRS if pair[0] == server} | outcomes)
            finally:
                stop_site(site)
        outcome = outcomes[server, client]
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    return story_of


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("server", "client"), PAIRS)
def test_after_a_restart_of_the_server_it_comes_back_by_itself_as_who_it_was(
    returned: Callable[[str, str], Story], server: str, client: str, mode: str
) -> None:
    """What a JavaScript client said while it was away is sent then."""
    story = returned(server, client)
    here, back = story.of(mode, "here"), story.of(mode, "back")
    assert here["name"] == back["name"]
    assert back["ok"] is True
    assert here["transport"] == back["transport"] == ("polling" if mode == "polling" else "websocket")


def new_site(folder: Path, server: str) -> Site:
    """Return the chat with its additions, served: without limits, for all clients come from one address."""
    return Site(folder, server, {"LIMITS": "off"}, "chat.tests.clients_site:application").start()


def stop_site(site: Site) -> None:
    """Stop the chat; whatever the clients did must not have been an error to it."""
    site.stop()
    assert not re.search(r"Traceback|\b(ERROR|CRITICAL)\b", site.process.output()), site.process.output()
