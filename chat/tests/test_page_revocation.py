"""The page when the login session behind it changes or ends, in a real browser."""

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chat.tests.browser import Come, expect
from chat.tests.site import Site


@pytest.fixture(scope="module")
def revocation_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A chat in which login sessions can be made to end."""
    running = Site(tmp_path_factory.mktemp("site"), application="chat.tests.revocation_app:application").start()
    yield running
    running.kill()


def do(site: Site, what: str, page: Any) -> Any:
    """Have something happen to the login session of a page."""
    [key] = [cookie["value"] for cookie in page.context.cookies() if cookie["name"] == "sessionid"]
    with urllib.request.urlopen(f"{site.url}/do/{what}?key={key}", timeout=10) as response:
        return json.load(response)


def test_a_page_whose_login_session_ends_says_why_and_offers_to_reload(revocation_app: Site, come: Come) -> None:
    anna, bert = come(revocation_app), come(revocation_app)
    do(revocation_app, "delete", anna.page)
    expect(anna.page.get_by_text("Your session has ended.")).to_be_visible()
    anna.page.get_by_role("button", name="Reload").click()
    assert anna.is_connected().name
    bert.say("still here")
    expect(anna.message("still here")).to_be_visible()


def test_a_page_shows_the_name_of_who_logs_in_elsewhere(revocation_app: Site, come: Come) -> None:
    anna, bert = come(revocation_app), come(revocation_app)
    key, username = do(revocation_app, "log-in", anna.page)
    anna.page.context.add_cookies([{"name": "sessionid", "value": key, "url": revocation_app.url}])
    expect(anna.page.get_by_text(username).first).to_be_visible()
    anna.say("hello")
    expect(bert.message("hello").locator(".by")).to_have_text(username)
    assert key in [cookie["value"] for cookie in anna.page.context.cookies()]


def log_in_at_the_admin(page: Any, site: Site, name: str) -> None:
    """Log a member of the staff in, in a tab of its own."""
    site.run(
        "from django.contrib.auth import get_user_model\n"
        f"get_user_model().objects.create_superuser({name!r}, password='before')"
    )
    tab = page.context.new_page()
    tab.goto(f"{site.url}/admin/login/")
    tab.get_by_label("Username").fill(name)
    tab.get_by_label("Password").fill("before")
    tab.get_by_role("button", name="Log in").click()
    expect(tab.get_by_role("button", name="Log out")).to_be_visible()
    tab.close()


def steal(come: Come, site: Site, owner: Any) -> Any:
    """Return a page in another browser that has the cookie of the owner."""
    [key] = [cookie["value"] for cookie in owner.page.context.cookies() if cookie["name"] == "sessionid"]
    cookie = {"name": "sessionid", "value": key, "url": site.url, "httpOnly": True}
    cookie |= {"domain": "127.0.0.1", "path": "/", "expires": -1, "secure": False, "sameSite": "Lax"}
    del cookie["url"]
    return come(site, storage_state={"cookies": [cookie], "origins": []})


def is_out(thief: Any, *texts: str) -> None:
    """Check that a page is refused in the end, and has got none of the texts."""
    expect(thief.status).to_have_text("Not connected", timeout=40_000)
    expect(thief.page.get_by_text("Session unknown or expired.")).to_be_visible()
    for text in texts:
        expect(thief.message(text)).to_have_count(0)


def is_back(owner: Any, bert: Any, name: str, *missed: str) -> None:
    """Check that a page is back under a name with what was said meanwhile, once, and that it can speak."""
    expect(owner.page.locator("#name")).to_have_text(name)
    for text in missed:
        expect(owner.message(text)).to_have_count(1)
    owner.say("It is me.")
    expect(bert.message("It is me.").locator(".by")).to_have_text(name)
    expect(owner.message("It is me.")).to_have_count(1)


def test_all_tabs_of_a_browser_in_which_somebody_logs_in_come_back_by_themselves(
    revocation_app: Site, come: Come
) -> None:
    anna, bert = come(revocation_app), come(revocation_app)
    second, thief = anna.second_tab(), steal(come, revocation_app, anna)
    bert.say("before")
    for visitor in (anna, second, thief):
        expect(visitor.message("before")).to_be_visible()
    log_in_at_the_admin(anna.page, revocation_app, "anna")
    expect(thief.status).not_to_have_text("Connected")
    bert.say("missed")
    for visitor in (anna, second):
        expect(visitor.page.locator("#name")).to_have_text("anna")
        expect(visitor.message("missed")).to_have_count(1)
        expect(visitor.message("before")).to_have_count(1)
    is_back(anna, bert, "anna", "missed")
    expect(second.message("It is me.")).to_have_count(1)
    is_out(thief, "missed", "It is me.")


def test_a_page_that_is_quicker_than_its_cookie_asks_again_before_it_gives_up(come: Come, tmp_path: Path) -> None:
    """Also when the process that refuses it has been started since and does not know of the rotation."""
    site = Site(tmp_path).start()
    try:
        anna = come(site)
        name = anna.name
        [key] = [cookie["value"] for cookie in anna.page.context.cookies() if cookie["name"] == "sessionid"]
        site.stop()
        new = key[::-1]
        site.run(
            "from chat.models import LoginSession\n"
            f"LoginSession.objects.filter(session_key={key!r}).update(session_key={new!r})"
        )
        with anna.page.expect_response(lambda response: response.status == 403, timeout=30_000):
            site.start()
        anna.page.context.add_cookies([{"name": "sessionid", "value": new, "url": site.url}])
        assert anna.is_connected().name == name
    finally:
        site.kill()


@pytest.mark.parametrize("what", ["log-in", "change-password"])
def test_a_page_of_a_user_comes_back_after_another_login_and_a_new_password(
    revocation_app: Site, come: Come, what: str
) -> None:
    anna, bert = come(revocation_app), come(revocation_app)
    log_in_at_the_admin(anna.page, revocation_app, name := f"anna-before-{what}")
    expect(anna.page.locator("#name")).to_have_text(name)
    thief = steal(come, revocation_app, anna)
    answer = do(revocation_app, what, anna.page)
    key, name = (answer, name) if what == "change-password" else answer
    anna.page.context.add_cookies([{"name": "sessionid", "value": key, "url": revocation_app.url}])
    expect(thief.status).not_to_have_text("Connected")
    bert.say("missed")
    is_back(anna, bert, name, "missed")
    is_out(thief, "missed", "It is me.")
