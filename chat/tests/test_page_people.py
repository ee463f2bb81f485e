"""Who is there and who is typing, on the page in a real browser."""

import re
from typing import Any

from chat.tests.browser import Come, expect, expect_state
from chat.tests.site import Site


def test_the_page_shows_people_and_not_tabs(site: Site, come: Come) -> None:
    anna, bert = come(site, "/rooms/people/"), come(site, "/rooms/people/")
    summary = anna.page.locator("#people summary")
    expect(summary).to_have_text("2 here")
    bert.second_tab()
    bert.page.close()
    expect(summary).to_have_text("2 here")
    summary.click()
    names = anna.page.get_by_label("People in this room").get_by_role("listitem")
    expect(names).to_have_text([f"{anna.name} (you)", re.compile(r"^\d+$")])
    assert anna.complaints == bert.complaints == []


def test_a_page_that_is_left_is_counted_no_more(site: Site, come: Come) -> None:
    anna, bert = come(site, "/rooms/leaving/"), come(site, "/rooms/leaving/")
    summary = anna.page.locator("#people summary")
    expect(summary).to_have_text("2 here")
    bert.page.close()
    expect(summary).to_have_text("1 here")


def test_others_see_who_is_typing_until_the_message_comes_and_nothing_moves(site: Site, come: Come) -> None:
    anna, bert = come(site, "/rooms/typing/"), come(site, "/rooms/typing/")
    line = bert.page.locator("#typing")
    before = bert.page.locator("#composer").bounding_box()
    anna.type("Hello")
    expect(line).to_have_text(re.compile(rf"^.?{anna.name}.? is typing…$"))
    assert bert.page.locator("#composer").bounding_box() == before
    expect(anna.page.locator("#typing")).to_have_text("")
    expect_state(anna.say("Hello Bert"), "Sent")
    expect(line).to_have_text("")
    assert anna.complaints == bert.complaints == []


def test_a_menu_closes_when_somebody_goes_on(site: Site, come: Come) -> None:
    """By a click elsewhere, by Escape, which leaves the focus at the menu, and when the focus goes elsewhere."""
    anna = come(site)
    people, rooms = anna.page.locator("#people"), anna.page.locator(".rooms")
    expect(people.locator("summary")).to_have_text("1 here")
    people.locator("summary").click()
    people.get_by_role("listitem").click()
    expect(people).to_have_attribute("open", "")
    rooms.locator("summary").click()
    expect(people).not_to_have_attribute("open", "")
    expect(rooms).to_have_attribute("open", "")
    rooms.get_by_role("textbox").press("Escape")
    expect(rooms).not_to_have_attribute("open", "")
    expect(rooms.locator("summary")).to_be_focused()
    rooms.locator("summary").press("Enter")
    expect(rooms).to_have_attribute("open", "")
    anna.input.focus()
    expect(rooms).not_to_have_attribute("open", "")
    assert anna.complaints == []


def test_the_page_says_it_at_most_every_two_seconds(site: Site, come: Come) -> None:
    anna = come(site)
    sent: list[Any] = []
    anna.page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(frame)))
    anna.page.reload()
    anna.is_connected()
    anna.page.clock.install()
    anna.page.clock.pause_at("2030-01-01")
    for text in "Hello":
        anna.input.press(text)
    anna.input.fill("   ")
    anna.page.clock.run_for(2100)
    anna.input.press("x")
    anna.page.evaluate("1")
    assert sum('["typing"' in str(frame) for frame in sent) == 2


def test_names_are_text_whatever_they_are(site: Site, come: Come) -> None:
    anna = come(site, "/rooms/markup/")
    expect(anna.page.locator("#people summary")).to_have_text("1 here")
    name = "<img src=x onerror=alert(1)>"
    anna.page.evaluate(
        "name => { const people = new People(document.getElementById('people'));"
        "people.show({ count: 150, names: [name] }, ''); new Typing(document.getElementById('typing'),"
        "document.getElementById('text'), () => {}).show([name, 'b'], ''); }",
        name,
    )
    anna.page.locator("#people summary").click()
    items = anna.page.get_by_label("People in this room").get_by_role("listitem")
    expect(items).to_have_text([name, "+ 149 others"])
    expect(anna.page.locator("#typing")).to_contain_text(f"{name}")
    expect(anna.page.locator("#typing")).to_have_text(re.compile(" and .?b.? are typing…$"))
    assert anna.page.locator("img").count() == 0
    assert anna.complaints == []


def test_without_a_server_nobody_knows_who_is_there(own_site: Site, come: Come) -> None:
    anna = come(own_site)
    summary = anna.page.locator("#people summary")
    expect(summary).to_be_visible()
    own_site.stop()
    anna.is_offline()
    expect(summary).not_to_be_visible()
