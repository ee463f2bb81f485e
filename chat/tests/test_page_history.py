"""The page's history in a real browser: in order, nothing twice, nothing missing, and no more than is looked at."""

import re
import zlib
from collections.abc import Iterator

import pytest

from channels_socketio.tests.support.faulty_proxy import FaultyProxy
from channels_socketio.tests.support.processes import wait_until
from chat.tests.browser import Come, Route, Visitor, WebSocketRoute, expect, expect_state
from chat.tests.site import Site

PAGES = re.compile("/messages[?]")
BEGINNING = "This is where the room begins."
# Notes, for lines that are put in, what the live region said to screen readers at that moment.
WATCH = """() => {
  window.seen = {};
  const scroller = document.querySelector('.scroller');
  new MutationObserver((changes) => changes.forEach(({addedNodes}) => addedNodes.forEach((line) => {
    window.seen[line.dataset.seq] = scroller.ariaLive;
  }))).observe(document.getElementById('messages'), {childList: true});
}"""
# The reader goes to the top, and sees the first line there.
GO_UP = """async () => {
  // What is in the view at first is the end, and that is scrolled to with the next frame.
  for (let frame = 0; frame < 2; frame++) await new Promise(requestAnimationFrame);
  document.querySelector('.scroller').scrollTop = 0;
  const line = document.querySelector('.message');
  return [line.dataset.seq, line.getBoundingClientRect().top];
}"""
TOP_OF = "(seq) => document.querySelector(`[data-seq='${seq}']`).getBoundingClientRect().top"


@pytest.fixture
def room(request: pytest.FixtureRequest) -> str:
    """The slug of the test's own room."""
    return f"test-{zlib.crc32(request.node.nodeid.encode())}"


@pytest.fixture(scope="module", params=[{}, {"FORGET": "1"}], ids=["recovering", "forgetful"])
def brief(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The chat that recovers at most ten messages, or none."""
    folder = tmp_path_factory.mktemp("brief")
    site = Site(folder, env=request.param, application="chat.tests.forgetful_site:application").start()
    yield site
    site.kill()


def store(site: Site, room: str, first: int, last: int) -> None:
    """Store messages whose texts are their numbers."""
    site.run(
        "from chat.services import Draft, commit\n"
        f"commit([Draft({room!r}, '77', f'<i>{{number}}</i>') for number in range({first}, {last} + 1)])",
    )


def delete(site: Site, room: str, *numbers: int) -> None:
    """Take messages back."""
    code = f"from chat.services import delete_message\nfor number in {numbers}: delete_message({room!r}, number)"
    site.run(code)


def expect_numbers(visitor: Visitor, *numbers: int) -> None:
    """Wait until the page shows exactly these messages, in this order."""
    expect(visitor.messages.locator(".text")).to_have_text([f"<i>{number}</i>" for number in numbers])


def is_last(visitor: Visitor, number: int) -> None:
    """Wait until this is the newest message on the page."""
    expect(visitor.messages.last.locator(".text")).to_have_text(f"<i>{number}</i>")


def test_older_messages_come_when_somebody_reads_up(site: Site, come: Come, room: str) -> None:
    """The newest 50 first; then a page at a time, under the reader's eyes, until the beginning, which is said."""
    store(site, room, 1, 180)
    anna = come(site)
    expect_numbers(anna, *range(131, 181))
    expect(anna.messages.last).to_be_in_viewport()
    expect(anna.page.get_by_text(BEGINNING)).to_have_count(0)
    expect(anna.log).to_have_attribute("aria-live", "polite")
    anna.page.evaluate(WATCH)
    seq, top = anna.page.evaluate(GO_UP)
    expect_numbers(anna, *range(31, 181))
    assert abs(anna.page.evaluate(TOP_OF, seq) - top) < 2
    seq, top = anna.page.evaluate(GO_UP)
    expect_numbers(anna, *range(1, 181))
    expect(anna.page.get_by_text(BEGINNING)).to_be_attached()
    assert set(anna.page.evaluate("Object.values(seen)")) == {"off"}
    expect(anna.log).to_have_attribute("aria-live", "polite")
    store(site, room, 181, 181)
    expect(anna.page.get_by_role("button", name="New messages")).to_be_visible()
    is_last(anna, 181)
    assert anna.page.evaluate("seen[181]") == "polite"
    assert anna.complaints == []


def store_long(site: Site, room: str, first: int, last: int) -> None:
    """Store messages of 2000 letters that begin with their numbers."""
    site.run(
        "from chat.services import Draft, commit\n"
        f"commit([Draft({room!r}, '77', f'{{number}} '.ljust(2000, '文')) for number in range({first}, {last} + 1)])",
    )


def expect_long(visitor: Visitor, first: int, last: int) -> None:
    """Wait until the page shows exactly these messages, in this order."""
    expect(visitor.messages.locator(".text")).to_have_text(
        [re.compile(f"^{number} ") for number in range(first, last + 1)]
    )


def test_very_long_messages(site: Site, come: Come, room: str) -> None:
    """Of the newest 50 some come by HTTP, in order and once; who reads up gets all the others, in smaller pages."""
    store_long(site, room, 1, 120)
    anna = come(site)
    expect_long(anna, 71, 120)
    expect(anna.messages.last).to_be_in_viewport()
    expect(anna.log).to_have_attribute("aria-live", "polite")
    oldest = 71
    while oldest > 1:
        seq, top = anna.page.evaluate(GO_UP)
        assert int(seq) == oldest
        expect(anna.messages.first).not_to_have_attribute("data-seq", seq)
        oldest = int(anna.messages.first.get_attribute("data-seq") or 0)
        expect_long(anna, oldest, 120)
        # At the beginning the words above the first message take less room than the button for more.
        assert oldest == 1 or abs(anna.page.evaluate(TOP_OF, seq) - top) < 2
    expect(anna.page.get_by_text(BEGINNING)).to_be_attached()
    assert anna.complaints == []


@pytest.mark.parametrize("missed", [60, 300])
def test_very_long_messages_that_were_missed(site: Site, come: Come, room: str, missed: int) -> None:
    """They are fetched, as many as belong on the page, and the rest comes when somebody reads up."""
    store_long(site, room, 1, 3)
    with FaultyProxy(site.port) as proxy:
        anna = come(site, url=proxy.url)
        expect_long(anna, 1, 3)
        proxy.disable()
        anna.is_offline()
        store_long(site, room, 4, 3 + missed)
        proxy.enable()
        anna.is_connected()
        if missed == 60:
            expect_long(anna, 1, 63)
        else:
            expect(anna.messages.last.locator(".text")).to_have_text(re.compile("^303 "))
            expect(anna.messages.first).not_to_have_attribute("data-seq", "1")
            oldest = int(anna.messages.first.get_attribute("data-seq") or 0)
            expect_long(anna, oldest, 303)
            anna.page.evaluate(GO_UP)
            expect(anna.messages.first).not_to_have_attribute("data-seq", str(oldest))
        store_long(site, room, 4 + missed, 4 + missed)
        expect(anna.messages.last).to_have_attribute("data-seq", str(4 + missed))


def test_a_page_that_does_not_come(site: Site, come: Come, room: str) -> None:
    """The page says so, and asks again when told to."""
    store(site, room, 1, 60)
    anna = come(site)
    anna.page.route(PAGES, lambda route: route.fulfill(status=503))
    anna.page.evaluate(GO_UP)
    expect(anna.page.get_by_text("Older messages could not be fetched.")).to_be_visible()
    anna.page.unroute(PAGES)
    anna.page.get_by_role("button", name="Show older messages").click()
    expect_numbers(anna, *range(1, 61))
    expect(anna.log).to_be_focused()


def test_a_room_that_has_just_begun(site: Site, come: Come, room: str) -> None:
    """Nothing is fetched for it; the empty room says that it is empty."""
    anna = come(site)
    fetched: list[str] = []
    anna.page.on("request", lambda request: fetched.append(request.url))
    expect(anna.page.get_by_text("No messages yet. Say hello!")).to_be_visible()
    expect(anna.page.get_by_text(BEGINNING)).to_have_count(0)
    expect_state(anna.say("hello"), "Sent")
    expect(anna.page.get_by_text(BEGINNING)).to_be_visible()
    assert fetched == []


@pytest.mark.parametrize("missed", [5, 80, 640])
def test_what_was_missed_is_there_after_a_reconnection(brief: Site, come: Come, room: str, missed: int) -> None:
    """Recovered, told of as a gap, or neither: all in order, once; of very many only the newest, the others above."""
    store(brief, room, 1, 70)
    with FaultyProxy(brief.port) as proxy:
        anna = come(brief, url=proxy.url)
        expect_numbers(anna, *range(21, 71))
        proxy.disable()
        anna.is_offline()
        store(brief, room, 71, 70 + missed)
        delete(brief, room, 30, 72)
        proxy.enable()
        anna.is_connected()
        is_last(anna, 70 + missed)
        if missed > 500:
            expect_numbers(anna, *range(71 + missed - 500, 71 + missed))
            anna.page.evaluate(GO_UP)
            expect(anna.messages).to_have_count(600)
            expect_numbers(anna, *range(71 + missed - 600, 71 + missed))
        else:
            expect_numbers(anna, *(number for number in range(21, 71 + missed) if number not in {30, 72}))
        store(brief, room, 71 + missed, 71 + missed)
        is_last(anna, 71 + missed)


def test_what_recovery_brings_is_not_fetched(site: Site, come: Come, room: str) -> None:
    """A short loss of the network costs no request for messages, and who was reading up goes on reading there."""
    store(site, room, 1, 40)
    with FaultyProxy(site.port) as proxy:
        anna = come(site, url=proxy.url)
        expect_numbers(anna, *range(1, 41))
        fetched: list[str] = []
        anna.page.on("request", lambda request: fetched.append(request.url))
        seq, top = anna.page.evaluate(GO_UP)
        proxy.disable()
        anna.is_offline()
        store(site, room, 41, 43)
        proxy.enable()
        anna.is_connected()
        expect_numbers(anna, *range(1, 44))
        assert abs(anna.page.evaluate(TOP_OF, seq) - top) < 2
        assert not any(PAGES.search(url) for url in fetched)


def test_a_message_that_is_swallowed_or_doubled(site: Site, come: Come, room: str) -> None:
    """Whatever comes between server and page: each message is shown once, in order, and what is missing is fetched."""
    anna = come(site)

    def disturb(route: WebSocketRoute) -> None:
        def pass_on(frame: str | bytes) -> None:
            for number, times in {"<i>2</i>": 0, "<i>3</i>": 2, "<i>4</i>": 0, "<i>5</i>": 0}.items():
                if number in str(frame):
                    for _ in range(times):
                        route.send(frame)
                    return
            route.send(frame)

        route.connect_to_server().on_message(pass_on)

    anna.page.route_web_socket(re.compile("/socket.io/"), disturb)
    anna.page.reload()
    anna.is_connected()
    store(site, room, 1, 3)
    expect_numbers(anna, 1, 2, 3)
    store(site, room, 4, 6)
    expect_numbers(anna, 1, 2, 3, 4, 5, 6)


def test_a_deleted_message_leaves_all_pages(site: Site, come: Come, room: str) -> None:
    """Also one that an older page, asked for before, still brings; what is read stays where it is."""
    store(site, room, 1, 120)
    anna = come(site)
    expect_numbers(anna, *range(71, 121))
    held: list[Route] = []
    anna.page.route(PAGES, lambda route: held.append(route))
    with anna.page.expect_request(PAGES):
        anna.page.evaluate(GO_UP)
    wait_until(lambda: anna.page.evaluate("true") and held, "the request was held")
    answer = held[0].fetch()
    delete(site, room, 65, 100)
    expect(anna.message("<i>100</i>")).to_have_count(0)
    held[0].fulfill(response=answer)
    expect_numbers(anna, *(number for number in range(1, 121) if number not in {65, 100}))
    delete(site, room, 2)
    expect(anna.message("<i>2</i>")).to_have_count(0)
    anna.page.reload()
    expect_numbers(anna, *(number for number in range(70, 121) if number != 100))


def test_a_page_left_open_stays_small(site: Site, come: Come, room: str) -> None:
    """At the end of the log the oldest lines leave; they are there again for who reads up."""
    store(site, room, 1, 480)
    anna = come(site)
    for count in (150, 250, 350, 450, 480):
        anna.page.evaluate(GO_UP)
        expect(anna.messages).to_have_count(count)
    anna.page.locator(".scroller").evaluate("box => box.scrollTo(0, box.scrollHeight)")
    store(site, room, 481, 530)
    is_last(anna, 530)
    expect_numbers(anna, *range(31, 531))
    # What came last may be scrolled to once more by a page that is late.
    wait_until(lambda: anna.page.evaluate(GO_UP)[0] == "1", "the first message was there")
    expect_numbers(anna, *range(1, 531))


def test_a_server_that_counts_anew(own_site: Site, come: Come, room: str) -> None:
    """After the loss of its database nothing of the old log stays on the page."""
    store(own_site, room, 1, 5)
    anna = come(own_site)
    expect_numbers(anna, *range(1, 6))
    own_site.stop()
    anna.is_offline()
    code = "from chat.models import Message, Room\nMessage.objects.all().delete()\nRoom.objects.all().delete()"
    own_site.run(code)
    store(own_site, room, 1, 2)
    own_site.start()
    anna.is_connected()
    expect_numbers(anna, 1, 2)


def test_an_own_message_that_is_long_stored(site: Site, come: Come, room: str) -> None:
    """What waits in the outbox although the server has it leaves it, and its line is where it belongs."""
    anna = come(site)
    message = anna.say("long ago")
    expect_state(message, "Sent")
    store(site, room, 2, 60)
    is_last(anna, 60)
    anna.page.evaluate(
        """(id) => {
          const {room, visitor} = document.getElementById('chat').dataset;
          const entry = JSON.stringify({id, text: 'long ago', at: Date.now()});
          localStorage.setItem(`chat outbox ${room} ${visitor} ${id}`, entry);
        }""",
        anna.message("long ago").get_attribute("data-id"),
    )
    anna.page.reload()
    anna.is_connected()
    expect_numbers(anna, *range(11, 61))
    anna.page.evaluate(GO_UP)
    expect(anna.messages).to_have_count(60)
    expect_state(anna.messages.first, "Sent")
    expect(anna.message("long ago")).to_have_count(1)
