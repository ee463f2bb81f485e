"""The page's outbox in a real browser: what is written goes out once, in order, whatever happens in between."""

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from channels_socketio.tests.support.faulty_proxy import FaultyProxy
from channels_socketio.tests.support.processes import wait_until
from chat.tests.browser import Come, Visitor, WebSocketRoute, expect, expect_state
from chat.tests.site import Site

MARKUP = "<img src=x onerror=\"alert('img')\">"


@pytest.fixture(scope="module")
def free_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The chat without limits, for those who have much to say."""
    running = Site(tmp_path_factory.mktemp("free"), env={"LIMITS": "off"}).start()
    yield running
    running.kill()


@pytest.fixture
def free_proxy(free_site: Site) -> Iterator[FaultyProxy]:
    """A network to that which can be cut."""
    with FaultyProxy(free_site.port) as network:
        yield network


@pytest.fixture
def proxy(site: Site) -> Iterator[FaultyProxy]:
    """A network to the site that can be cut."""
    with FaultyProxy(site.port) as network:
        yield network


def expect_texts(visitor: Visitor, *texts: str) -> None:
    """Wait until the page shows exactly these messages, in this order."""
    expect(visitor.messages.locator(".text")).to_have_text(list(texts))


def refused_message(visitor: Visitor) -> str:
    """Have the server refuse a message, and return its text."""
    visitor.page.locator("#composer").evaluate("form => { form.dataset.limit = 3000; }")
    expect_state(visitor.say("y" * 2001), "Not sent")
    return "y" * 2001


def test_what_is_written_offline_survives_the_page(site: Site, come: Come, proxy: FaultyProxy) -> None:
    """Closed and opened again, the page sends all of it, in order and once; markup stays text."""
    bert, anna = come(site), come(site, url=proxy.url)
    proxy.disable()
    anna.is_offline()
    expect(anna.page.get_by_text("What you write is kept")).to_be_visible()
    texts = ["one", MARKUP, "three", "four", "five"]
    for text in texts:
        expect_state(anna.say(text), "Sending…")
    again = anna.page.context.new_page()
    anna.page.close()
    proxy.enable()
    back = Visitor(again, proxy.url).visit(re.sub(r"^.*?//[^/]*", "", bert.page.url))
    for text in texts:
        expect_state(back.message(text), "Sent")
    expect(back.page.get_by_text("What you write is kept")).to_be_hidden()
    for visitor in (back, bert):
        expect_texts(visitor, *texts)
        assert visitor.complaints == []
    back.page.reload()
    back.is_connected()
    expect_texts(back, *texts)
    assert back.page.evaluate("localStorage.length") == 0


def test_a_refused_message_stays_until_somebody_decides(site: Site, come: Come) -> None:
    """With its reason, also over a reload; it is sent again or thrown away, and stops nobody behind it."""
    anna = come(site, viewport={"width": 320, "height": 560})
    text = refused_message(anna)
    anna.say("behind it")
    expect_state(anna.message("behind it"), "Sent")
    anna.page.reload()
    anna.is_connected()
    refused = anna.message(text)
    expect_state(refused, "Not sent")
    expect(refused.get_by_role("alert")).to_contain_text("expected 1 to 2000 characters, got 2001")
    for name in ("Try again", "Edit", "Throw away"):
        expect(refused.get_by_role("button", name=name)).to_be_in_viewport(ratio=1)
    assert anna.page.locator(".scroller").evaluate("box => box.scrollWidth <= box.clientWidth")
    refused.get_by_role("button", name="Try again").click()
    expect(refused.get_by_role("button", name="Throw away")).to_be_visible()
    expect_state(refused, "Not sent")
    refused.get_by_role("button", name="Throw away").click()
    expect_texts(anna, "behind it")
    expect(anna.input).to_be_focused()
    anna.page.reload()
    anna.is_connected()
    expect_texts(anna, "behind it")


def test_a_database_that_is_away_for_a_moment(tmp_path: Path, come: Come) -> None:
    """What time may cure the page tries again by itself, and what was written behind it stays behind it."""
    faulty = Site(tmp_path, env={"FAULT": "unavailable"}, application="chat.tests.faulty_site:application").start()
    try:
        anna, bert = come(faulty), come(faulty)
        anna.say("unavailable")
        expect_state(anna.say("next"), "Sent")
        expect_state(anna.message("unavailable"), "Sent")
        for visitor in (anna, bert):
            expect_texts(visitor, "unavailable", "next")
    finally:
        faulty.kill()


def test_messages_that_are_too_many_at_once_are_sent_a_little_later(site: Site, come: Come, proxy: FaultyProxy) -> None:
    anna = come(site, url=proxy.url)
    proxy.disable()
    anna.is_offline()
    texts = [str(number) for number in range(30)]
    for text in texts:
        anna.say(text)
    proxy.enable()
    for text in texts:
        expect_state(anna.message(text), "Sent")
    expect_texts(anna, *texts)


def test_no_answer_in_time(own_site: Site, come: Come) -> None:
    """The same message is sent again, under the same id, and stored once."""
    anna = come(own_site)
    frames: list[str] = []
    anna.page.on("websocket", lambda websocket: websocket.on("framesent", lambda frame: frames.append(str(frame))))
    anna.page.clock.install()
    anna.page.reload()
    anna.is_connected()
    own_site.process.popen.send_signal(signal.SIGSTOP)  # type: ignore[union-attr]  # the site runs
    message = anna.say("Anybody there?")
    expect_state(message, "Sending…")
    anna.page.clock.fast_forward(10_000)
    anna.page.clock.fast_forward(1_000)
    expect_state(message, "Sending…")
    sent = [re.findall('"id":"([^"]+)"', frame) for frame in frames if "Anybody there?" in frame]
    assert len(sent) == 2
    assert sent[0] == sent[1]
    own_site.process.popen.send_signal(signal.SIGCONT)  # type: ignore[union-attr]
    expect_state(message, "Sent")
    expect_state(anna.say("another"), "Sent")
    expect_texts(anna, "Anybody there?", "another")


@pytest.mark.parametrize(("text", "count"), [("a", 100), ("🎈" * 2000, 32)], ids=["messages", "bytes"])
def test_a_full_outbox_takes_no_more(
    free_site: Site, come: Come, free_proxy: FaultyProxy, text: str, count: int
) -> None:
    """The page says so and keeps what is typed; when the server is back there is room again."""
    anna = come(free_site, url=free_proxy.url)
    free_proxy.disable()
    anna.is_offline()
    notice = anna.page.get_by_role("alert").filter(has_text="Too many messages wait")
    for number in range(count):
        anna.say(f"{text}{number}"[-2000:])
    expect(anna.messages).to_have_count(count)
    expect(notice).to_be_hidden()
    anna.say(f"no room {text}"[:2000])
    expect(notice).to_be_visible()
    expect(anna.input).to_have_value(f"no room {text}"[:2000])
    expect(anna.messages).to_have_count(count)
    free_proxy.enable()
    expect_state(anna.messages.last, "Sent")
    anna.input.press("Enter")
    expect(notice).to_be_hidden()
    expect_state(anna.message(f"no room {text}"[:2000]), "Sent")
    expect(anna.messages).to_have_count(count + 1)


def test_another_visitor_of_the_browser_sends_nothing_of_it(site: Site, come: Come, proxy: FaultyProxy) -> None:
    """Neither a page that is opened as somebody else nor one that becomes somebody else; the first one still can."""
    bert, anna = come(site), come(site, url=proxy.url)
    context, name, path = anna.page.context, anna.name, re.sub(r"^.*?//[^/]*", "", bert.page.url)
    own_cookies = context.cookies()
    proxy.disable()
    anna.is_offline()
    anna.say("by the first")
    context.clear_cookies()
    other = Visitor(context.new_page(), site.url).visit(path)
    expect(other.messages).to_have_count(0)
    proxy.enable()
    anna.is_connected()
    expect(anna.page.locator("#name")).to_have_text(other.name)
    expect(anna.messages).to_have_count(0)
    expect_state(anna.say("by the second"), "Sent")
    expect_texts(bert, "by the second")
    context.clear_cookies()
    context.add_cookies(own_cookies)  # type: ignore[arg-type]  # what comes from there goes there
    anna.page.reload()
    assert anna.is_connected().name == name
    expect_state(anna.message("by the first"), "Sent")
    expect_texts(bert, "by the second", "by the first")


def test_two_tabs_show_and_send_all_of_it_once(site: Site, come: Come, proxy: FaultyProxy) -> None:
    """Each tab shows what waits in the other; when the network is back nothing is there twice."""
    bert, anna = come(site), come(site, url=proxy.url)
    tab = anna.second_tab()
    proxy.disable()
    anna.is_offline()
    tab.is_offline()
    anna.say("from the first")
    expect_state(tab.message("from the first"), "Sending…")
    tab.say("from the second")
    expect_texts(anna, "from the first", "from the second")
    text = "thrown away"
    tab.say(text)
    expect(anna.message(text)).to_have_count(1)
    tab.page.evaluate(
        "localStorage.removeItem(Object.keys(localStorage).find((k) => localStorage[k].includes('away')))"
    )
    expect(anna.message(text)).to_have_count(0)
    anna.is_offline()
    proxy.enable()
    for visitor in (anna, tab):
        visitor.is_connected()
        for text in ("from the first", "from the second"):
            expect_state(visitor.message(text), "Sent")
            expect(visitor.message(text)).to_have_class(re.compile(r"\bown\b"))
    anna.say("the end")
    for visitor in (anna, bert):
        expect(visitor.message("the end")).to_have_count(1)
        for text in ("from the first", "from the second"):
            expect(visitor.message(text)).to_have_count(1)


def test_a_tab_that_is_closed_at_once_is_stood_in_for(site: Site, come: Come) -> None:
    """What another tab has taken in and never sent, this one sends after a while."""
    anna = come(site)
    anna.page.clock.install()
    anna.page.reload()
    anna.is_connected()
    key = f"chat outbox {anna.page.locator('#chat').get_attribute('data-room')}"
    key += f" {anna.page.locator('#chat').get_attribute('data-visitor')} 0b9d8a7c-1111-4222-8333-444455556666"
    tab = anna.page.context.new_page()
    tab.goto(f"{site.url}/healthz")
    entry = {"id": key.split()[-1], "text": "left behind", "at": 1_700_000_000_000}
    tab.evaluate("([key, entry]) => localStorage.setItem(key, JSON.stringify(entry))", [key, entry])
    tab.close()
    expect_state(anna.message("left behind"), "Sending…")
    anna.page.clock.fast_forward(15_000)
    expect_state(anna.message("left behind"), "Sent")


def test_a_browser_that_keeps_nothing(site: Site, come: Come) -> None:
    """Without localStorage the chat works, for as long as the page is there."""
    anna = come(site)
    anna.page.add_init_script(
        "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('no', 'SecurityError'); }})"
    )
    anna.page.reload()
    expect_state(anna.is_connected().say("kept nowhere"), "Sent")
    assert anna.complaints == []


def test_what_others_left_in_the_storage_is_no_message(site: Site, come: Come) -> None:
    """Broken entries and old ones are cleared away, and never shown."""
    anna = come(site)
    anna.page.evaluate("""() => {
      const {room, visitor} = document.getElementById('chat').dataset;
      const entries = ['', '{', 'null', '{"id":1,"text":"a","at":1}', '{"id":"2","text":"old","at":1}'];
      entries.forEach((entry, number) => localStorage.setItem(`chat outbox ${room} ${visitor} ${number}`, entry));
      localStorage.setItem('another', 'stays');
    }""")
    anna.page.reload()
    expect_state(anna.is_connected().say("fine"), "Sent")
    expect_texts(anna, "fine")
    wait_until(lambda: anna.page.evaluate("Object.keys(localStorage)") == ["another"], "the rest was cleared away")
    assert anna.complaints == []


def test_another_name_while_connected(site: Site, come: Come) -> None:
    """A second `welcome` changes the name that is shown; what is one's own is known by it."""
    anna = come(site)
    namespace = anna.page.locator("#chat").get_attribute("data-namespace")
    routes: list[WebSocketRoute] = []

    def keep(route: WebSocketRoute) -> None:
        routes.append(route)
        route.connect_to_server()

    anna.page.route_web_socket(re.compile("/socket.io/"), keep)
    anna.page.reload()
    anna.is_connected()
    routes[0].send(f'42{namespace},["welcome",{{"name":"anna","room":"r","head":0}},"no offset"]')
    expect(anna.page.locator("#name")).to_have_text("anna")
    site.manage("say", "under the new name", "--room", str(namespace).split("/")[-1], "--as", "anna")
    expect(anna.message("under the new name")).to_have_class(re.compile(r"\bown\b"))
    expect_state(anna.say("goes out"), "Sent")
