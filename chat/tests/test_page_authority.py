"""The page when the login session behind it changes or ends, in a real browser."""

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from channels_socketio.tests.processes import Site
from chat.tests.browser import Come, expect


@pytest.fixture(scope="module")
def ending_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A chat in which login sessions can be made to end."""
    running = Site(tmp_path_factory.mktemp("site"), application="chat.tests.authority_site:application").start()
    yield running
    running.kill()


def do(site: Site, what: str, page: Any) -> Any:
    """Have something happen to the login session of a page."""
    [key] = [cookie["value"] for cookie in page.context.cookies() if cookie["name"] == "sessionid"]
    with urllib.request.urlopen(f"{site.url}/do/{what}?key={key}", timeout=10) as response:
        return json.load(response)


def test_a_page_whose_login_session_ends_says_why_and_offers_to_reload(ending_site: Site, come: Come) -> None:
    anna, bert = come(ending_site), come(ending_site)
    do(ending_site, "delete", anna.page)
    expect(anna.page.get_by_text("Your session has ended.")).to_be_visible()
    anna.page.get_by_role("button", name="Reload").click()
    assert anna.is_connected().name
    bert.say("still here")
    expect(anna.message("still here")).to_be_visible()


def test_a_page_shows_the_name_of_who_logs_in_elsewhere(ending_site: Site, come: Come) -> None:
    anna, bert = come(ending_site), come(ending_site)
    key, username = do(ending_site, "log-in", anna.page)
    anna.page.context.add_cookies([{"name": "sessionid", "value": key, "url": ending_site.url}])
    expect(anna.page.get_by_text(username).first).to_be_visible()
    anna.say("hello")
    expect(bert.message("hello").locator(".by")).to_have_text(username)
    assert key in [cookie["value"] for cookie in anna.page.context.cookies()]
