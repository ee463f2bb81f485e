"""The page in a real browser, served by a real server process."""

import re
import signal
import urllib.request
from pathlib import Path

import pytest

from chat.tests.browser import PLAIN_HOST, Come, expect, expect_state
from chat.tests.site import Site

# The script of 2015 as it was, on a page that has nothing else.
PAGE_OF_2015 = """<!doctype html>
<form id="form"><input id="input"></form>
<div id="messages"></div>
<script src="/socket.io/socket.io.js"></script>
<script>
  var socket = io.connect();
  var form = document.getElementById('form'), input = document.getElementById('input');
  form.onsubmit = function () { socket.emit('send chat', {msg: input.value}); input.value = ''; return false; };
  socket.on('new chat', function (data) {
    document.getElementById('messages').appendChild(document.createElement('p')).textContent = data.msg;
  });
</script>"""


def test_two_people_talk(site: Site, come: Come) -> None:
    """Each sees who said what and when; one's own messages look different and are marked as sent."""
    anna, bert = come(site), come(site)
    assert anna.name != bert.name
    expect_state(anna.say("Hello Bert"), "Sent")
    heard = bert.message("Hello Bert")
    expect(heard.locator(".by")).to_have_text(anna.name)
    expect(heard.locator("time")).to_have_attribute("datetime", re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d.*Z$"))
    expect(heard).not_to_have_class(re.compile(r"\bown\b"))
    expect(anna.message("Hello Bert")).to_have_class(re.compile(r"\bown\b"))
    expect(anna.message("Hello Bert")).to_have_count(1)
    bert.say("Hello Anna")
    expect(anna.messages.last).to_contain_text("Hello Anna")
    assert anna.complaints == bert.complaints == []


def test_time_is_the_readers_own(site: Site, come: Come) -> None:
    """The time on the page is that of the reader's time zone."""
    anna = come(site, timezone_id="Asia/Kolkata", locale="de-DE")
    expect_state(anna.say("What time is it?"), "Sent")
    time = anna.messages.last.locator("time")
    hours, minutes = map(int, re.findall(r"T(\d\d):(\d\d)", str(time.get_attribute("datetime")))[0])
    local = divmod((hours * 60 + minutes + 330) % 1440, 60)
    expect(time).to_have_text(f"{local[0]:02}:{local[1]:02}")


def test_the_same_browser_keeps_its_name(own_site: Site, come: Come) -> None:
    """A reload, a second tab and a restart of the server do not change who somebody is."""
    anna = come(own_site)
    name = anna.name
    anna.page.reload()
    assert anna.is_connected().name == name
    tab = anna.second_tab()
    assert tab.name == name
    own_site.stop()
    anna.is_offline()
    own_site.start()
    assert anna.is_connected().name == name
    tab.say("from the other tab")
    expect(anna.message("from the other tab")).to_have_class(re.compile(r"\bown\b"))


@pytest.mark.parametrize(
    "text",
    [
        "<img src=x onerror=\"alert('img')\">",
        "<script>alert('script')</script>",
        "</p></li></ol><style>*{display:none}</style>&lt;b&gt;",
        "👩‍👩‍👧 and 🇫🇷",
        "x" * 2000,
        "two\nlines",
    ],
    ids=["img", "script", "closing tags", "emoji", "2000 characters", "lines"],
)
def test_text_arrives_as_the_text_it_is(site: Site, come: Come, text: str) -> None:
    """Nothing in a message is markup, on either side, and nothing of it is executed or requested."""
    anna, bert = come(site), come(site)
    requested: list[str] = []
    bert.page.on("request", lambda request: requested.append(request.url))
    expect_state(anna.say(text), "Sent")
    for visitor in (anna, bert):
        shown = visitor.messages.last.locator(".text")
        expect(shown).to_have_js_property("innerText", text)
        expect(shown.locator("*")).to_have_count(0)
        expect(shown).to_be_visible()
    assert requested == anna.complaints == bert.complaints == []


def test_the_script_of_2015_works(site: Site, come: Come) -> None:
    """Its five lines, unmodified, talk with the page of today."""
    anna, old = come(site, "/"), come(site, "/", bypass_csp=True)  # its script is inline
    name = old.name
    old.page.goto(f"{site.url}/healthz")  # the site's origin, without the page of today
    old.page.set_content(PAGE_OF_2015)
    old.page.locator("#input").fill("<b>from 2015</b>")
    old.page.locator("#input").press("Enter")
    expect(old.page.locator("#messages p").last).to_have_text(f"{name}: <b>from 2015</b>")
    expect(anna.messages.last.locator(".by")).to_have_text(name)
    expect(anna.messages.last.locator(".text")).to_have_text("<b>from 2015</b>")
    anna.say("welcome")
    expect(old.page.locator("#messages p").last).to_have_text(f"{anna.name}: welcome")
    assert anna.page.evaluate("typeof io.connect") == "function"


def test_nothing_is_inline(site: Site) -> None:
    """The page needs no exception from the content security policy, and there is none."""
    with urllib.request.urlopen(f"{site.url}/", timeout=10) as response:
        policy, html = response.headers["Content-Security-Policy"], response.read().decode()
    assert "script-src 'self'" in policy
    assert "unsafe-" not in policy
    assert "data:" not in policy
    assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son[a-z]+=|javascript:", html, re.IGNORECASE)
    assert not re.search(r"""(?:src|href|action)=["']?(?:https?:)?//""", html)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_fits_a_narrow_phone(site: Site, come: Come, scheme: str) -> None:
    """At 320 pixels nothing scrolls sideways, all controls are in view, and the colours follow the system."""
    anna = come(site, viewport={"width": 320, "height": 500}, color_scheme=scheme)
    expect_state(anna.say("w" * 2000), "Sent")
    anna.type("one\ntwo\nthree")
    anna.page.get_by_text("Rooms").click()
    for box in ("html", ".scroller", ".panel", ".bubble"):
        assert anna.page.locator(box).first.evaluate("box => box.scrollWidth <= box.clientWidth"), box
    controls = [anna.input, anna.status, anna.page.locator("#name"), anna.page.get_by_label("Go to a room")]
    for control in [
        *controls,
        anna.page.get_by_role("button", name="Send"),
        anna.page.get_by_role("button", name="Go"),
    ]:
        expect(control).to_be_in_viewport(ratio=1)
    colour = anna.page.locator("body").evaluate("body => getComputedStyle(body).backgroundColor")
    brightness = sum(int(part) for part in re.findall(r"\d+", colour)[:3]) / 3
    assert (brightness < 60) if scheme == "dark" else (brightness > 200)


def test_nothing_moves_for_who_wants_no_motion(site: Site, come: Come) -> None:
    """Animations are for people whose system asks for no less."""
    bert = come(site)
    for wish, animation in [("no-preference", "arrive"), ("reduce", "none")]:
        anna = come(site, reduced_motion=wish)
        bert.say(f"for {wish}")
        expect(anna.message(f"for {wish}").locator(".bubble")).to_have_css("animation-name", animation)


def test_an_unanswered_message_is_pending(own_site: Site, come: Come) -> None:
    """A message is shown at once, as on its way, until the server has answered."""
    anna = come(own_site)
    own_site.process.popen.send_signal(signal.SIGSTOP)  # type: ignore[union-attr]  # the site runs
    message = anna.say("Anybody there?")
    expect_state(message, "Sending…")
    own_site.process.popen.send_signal(signal.SIGCONT)  # type: ignore[union-attr]
    expect_state(message, "Sent")
    expect(anna.messages).to_have_count(1)


def test_offline_is_shown_and_what_is_written_meanwhile_goes_out_later(own_site: Site, come: Come) -> None:
    """While the server is away the page says so; when it is back, the page goes on by itself."""
    anna, bert = come(own_site), come(own_site)
    own_site.stop()
    anna.is_offline()
    bert.is_offline()
    message = anna.say("written offline")
    expect_state(message, "Sending…")
    own_site.start()
    bert.is_connected()
    expect_state(message, "Sent")
    expect(anna.is_connected().message("written offline")).to_have_count(1)


def test_a_message_whose_answer_is_lost_is_sent_again(own_site: Site, come: Come) -> None:
    """When the connection dies before the answer, the message waits for the next one, by itself."""
    anna = come(own_site)
    own_site.process.popen.send_signal(signal.SIGSTOP)  # type: ignore[union-attr]  # the site runs
    message = anna.say("swallowed")
    expect_state(message, "Sending…")
    own_site.stop(signal.SIGKILL)
    anna.is_offline()
    expect_state(message, "Sending…")
    own_site.start()
    anna.is_connected()
    expect_state(message, "Sent")
    expect(anna.message("swallowed")).to_have_count(1)


def test_refusal_of_a_message_stands_next_to_it(site: Site, come: Come) -> None:
    """The server's reason is shown with the message it is about; the text can be edited and sent again."""
    anna = come(site)
    expect_state(anna.say("fine"), "Sent")
    anna.page.locator("#composer").evaluate("form => { form.dataset.limit = 3000; }")
    refused = anna.say("y" * 2001)
    expect_state(refused, "Not sent")
    expect(refused.get_by_role("alert")).not_to_be_empty()
    expect(anna.message("fine").get_by_role("alert")).to_have_count(0)
    anna.type("written since")
    refused.get_by_role("button", name="Edit").click()
    expect(anna.input).to_have_value("y" * 2001 + "\nwritten since")
    expect(anna.input).to_be_focused()
    expect(anna.messages).to_have_count(1)
    expect_state(anna.say("shorter"), "Sent")


def test_a_page_without_its_cookie_is_refused(own_site: Site, come: Come) -> None:
    """The page shows the server's reason, what to do, no name, and stops trying; a reload helps."""
    anna = come(own_site)
    name = anna.name
    anna.page.context.clear_cookies()
    own_site.stop()
    own_site.start()
    expect(anna.status).to_have_text("Not connected")
    alert = anna.page.get_by_role("alert").filter(has_text="No cookie transmitted.")
    expect(alert).to_contain_text("Reload the page")
    expect(anna.page.locator(".me")).to_be_hidden()
    expect(anna.input).not_to_be_editable()
    expect(anna.page.get_by_role("button", name="Send")).to_be_disabled()
    anna.page.get_by_role("button", name="Reload").click()
    assert anna.is_connected().name != name


def test_the_limit_is_counted_as_the_server_counts(site: Site, come: Come) -> None:
    """Near the limit the page counts characters, an emoji as one; beyond it nothing is sent and nothing is cut."""
    anna = come(site)
    counter = anna.page.locator("#counter")
    expect(counter).to_be_hidden()
    anna.type("a" * 1799)
    expect(counter).to_be_hidden()
    anna.type("🎈" * 1990 + "   ")
    expect(counter).to_have_text("10 characters left")
    anna.type("🎈" * 2003)
    expect(counter).to_have_text("3 characters too many")
    expect(anna.input).to_have_attribute("aria-invalid", "true")
    anna.input.press("Enter")
    expect(anna.input).to_have_value("🎈" * 2003)
    expect(anna.messages).to_have_count(0)
    expect_state(anna.say("🎈" * 2000), "Sent")


def test_reading_older_messages_is_not_disturbed(site: Site, come: Come) -> None:
    """New messages scroll into view only for who was at the end; others get a button that goes there."""
    anna, bert = come(site), come(site)
    scroller, button = anna.page.locator(".scroller"), anna.page.get_by_role("button", name="New messages")
    expect_state(bert.say("line\n" * 60 + "end"), "Sent")
    expect(anna.messages.last).to_contain_text("end")
    expect(anna.messages.last.locator("time")).to_be_in_viewport()
    expect(button).to_be_hidden()
    anna.page.mouse.move(300, 300)
    anna.page.mouse.wheel(0, -400)
    expect(anna.messages.last.locator("time")).not_to_be_in_viewport()
    bert.say("news")
    expect(button).to_be_visible()
    expect(anna.message("news")).not_to_be_in_viewport()
    button.click()
    expect(anna.message("news")).to_be_in_viewport()
    expect(button).to_be_hidden()
    expect(scroller).to_be_focused()


def test_the_page_makes_sense_without_eyes_and_mouse(site: Site, come: Come) -> None:
    """Roles, names and keys: log, status, labels; Tab reaches everything, Shift+Enter starts a line."""
    anna, bert = come(site, "/"), come(site, "/")
    expect(anna.page.get_by_role("log", name="Messages")).to_have_attribute("aria-live", "polite")
    expect(anna.page.get_by_role("textbox", name="Message")).to_be_focused()
    expect(anna.page.get_by_role("heading", level=1, name="Lobby")).to_be_visible()
    expect(anna.page.locator("html")).to_have_attribute("lang", re.compile("^en"))
    expect(anna.page.locator("#people summary")).to_have_text("2 here")  # hidden until the server has told who is here
    anna.page.keyboard.type("first")
    anna.page.keyboard.press("Shift+Enter")
    anna.page.keyboard.type("second")
    anna.page.keyboard.press("Tab")
    expect(anna.page.get_by_role("button", name="Send")).to_be_focused()
    anna.page.keyboard.press("Enter")
    expect(bert.messages.last.locator(".text")).to_have_js_property("textContent", "first\nsecond")
    expect(anna.input).to_be_focused()
    anna.page.keyboard.press("Shift+Tab")
    expect(anna.log).to_be_focused()
    anna.page.keyboard.press("Shift+Tab")
    expect(anna.page.locator(".rooms summary")).to_be_focused()
    anna.page.keyboard.press("Shift+Tab")
    expect(anna.page.locator("#people summary")).to_be_focused()


def test_rooms_are_apart(site: Site, come: Come) -> None:
    """The form goes to a room by name; what is said there is said there only."""
    anna, bert = come(site, "/"), come(site, "/")
    anna.page.get_by_text("Rooms").click()
    slug = anna.page.get_by_label("Go to a room")
    slug.fill("no/such room!")
    slug.press("Enter")
    assert slug.evaluate("input => input.validationMessage") == "Use letters a to z, digits and hyphens."
    slug.fill(" Tea Time ")
    slug.press("Enter")
    anna.page.wait_for_url("**/rooms/tea-time/")
    anna.is_connected()
    expect(anna.page).to_have_title("#tea-time · Chat")
    carl = come(site, "/rooms/tea-time/")
    anna.say("only here")
    expect(carl.message("only here")).to_be_visible()
    carl.page.get_by_text("Rooms").click()
    carl.page.get_by_role("link", name="Lobby").click()
    carl.is_connected().say("to the lobby")
    expect(bert.message("to the lobby")).to_be_visible()
    expect(bert.message("only here")).to_have_count(0)
    expect(anna.message("to the lobby")).to_have_count(0)


def test_chat_over_plain_http(tmp_path: Path, come: Come) -> None:
    """Where the browser gives no crypto.randomUUID, message ids are version 4 UUIDs all the same."""
    site = Site(tmp_path, env={"ALLOWED_HOSTS": f"{PLAIN_HOST},127.0.0.1"}).start()
    try:
        anna = come(site, url=f"http://{PLAIN_HOST}:{site.port}")
        assert anna.page.evaluate("[isSecureContext, typeof crypto.randomUUID]") == [False, "undefined"]
        expect_state(anna.say("no padlock"), "Sent")
        uuid4 = re.compile(r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")
        expect(anna.messages.last).to_have_attribute("data-id", uuid4)
    finally:
        site.kill()
