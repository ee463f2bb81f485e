"""The admin in a real browser: a moderator follows a visitor from the list to the ban.

With SCREENSHOTS=docs it also pictures what the documents show.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from chat.tests.browser import Browser, Come, Page, expect
from chat.tests.site import Site

PASSWORD = "only for this test"
ADMIN = f"""
from django.contrib.auth import get_user_model
get_user_model().objects.create_superuser("moderator", password={PASSWORD!r})
"""


@pytest.fixture
def console(browser: Browser, site: Site) -> Iterator[Page]:
    """The admin's first page, as a moderator sees it; at the end, nothing may have been amiss in the browser."""
    site.manage("shell", "-v", "0", "-c", ADMIN)
    context = browser.new_context(viewport={"width": 1400, "height": 800}, locale="en-GB")
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.goto(f"{site.url}/admin/")
    page.get_by_label("Username").fill("moderator")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    yield page
    context.close()
    assert not complaints


def picture(page: Page, name: str) -> None:
    """Keep a screenshot, if they are wanted."""
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def test_a_moderator_finds_a_visitor_and_bans(site: Site, come: Come, console: Page) -> None:
    guest, other = come(site, "/rooms/tea/"), come(site, "/rooms/tea/")
    name = guest.name
    guest.say("Buy my <b>tea</b>, it is cheap!")
    other.say("Please stop.")
    expect(other.message("Buy my <b>tea</b>, it is cheap!")).to_be_visible()

    console.get_by_role("link", name="Login sessions").first.click()
    row = console.get_by_role("row").filter(has=console.get_by_role("cell", name=name, exact=True))
    expect(row).to_have_count(1)
    picture(console, "console-sessions")

    row.get_by_role("link").first.click()
    expect(console.locator(".said")).to_contain_text("Buy my <b>tea</b>, it is cheap!")
    picture(console, "console-session")

    console.get_by_role("button", name="Ban", exact=True).click()
    expect(console.get_by_role("heading", name="Ban", exact=True)).to_be_visible()
    console.get_by_label("With their addresses").check()
    console.get_by_label("Reason").fill("Advertising")
    console.get_by_text("Today").first.wait_for()
    picture(console, "console-ban")
    console.get_by_role("button", name="Ban", exact=True).click()
    expect(console.locator(".messagelist")).to_contain_text("Banned with the address: for ever. Reason: Advertising")
    expect(row).to_contain_text("banned: for ever")
    expect(guest.page.locator("#refused")).to_contain_text("Banned. Once the ban is lifted, reload the page")
    guest.page.goto(site.url)
    expect(guest.page.get_by_role("heading")).to_have_text("You are banned")
    guest.complaints.clear()  # the 403 that this was

    console.get_by_role("link", name="Banned addresses").click()
    expect(console.get_by_role("row").filter(has_text="127.0.0.1/32")).to_contain_text("Advertising")
    console.get_by_role("link", name="Visitors").first.click()
    console.get_by_role("link", name="banned", exact=True).click()
    console.get_by_role("row").filter(has_text=name).get_by_role("checkbox").check()
    console.get_by_role("combobox", name="Action").select_option("unban")
    console.get_by_role("button", name="Go").click()
    console.get_by_role("button", name="Lift the ban").click()
    expect(console.locator(".messagelist")).to_contain_text(re.compile("Ban lifted with the address"))
    guest.page.goto(site.url)
    guest.is_connected()
