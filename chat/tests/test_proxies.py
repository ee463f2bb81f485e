"""Behind which proxies the client's address and the page's scheme are seen, under each server."""

from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from websockets.exceptions import InvalidStatus

from channels_socketio.tests.support.processes import servers, wait_until
from channels_socketio.tests.support.ws_client import Dial
from chat.tests.site import Site

PATH = "/socket.io/?EIO=4&transport="


@pytest.mark.parametrize("server", servers("daphne", "serve"))
@pytest.mark.parametrize(("trusted", "address"), [("", "127.0.0.1"), ("10.0.0.0/8,127.0.0.1", "198.51.100.7")])
def test_x_forwarded_for_is_believed_of_trusted_proxies_only(
    tmp_path: Path, server: str, trusted: str, address: str
) -> None:
    site = Site(tmp_path, server, {"TRUSTED_PROXIES": trusted}).start()
    try:
        url = f"{site.url}/socket.io/?EIO=4&transport=polling"
        with pytest.raises(HTTPError):
            urlopen(Request(url, headers={"X-Forwarded-For": "192.0.2.9, 198.51.100.7, 10.1.2.3"}), timeout=10)
        wait_until(lambda: f"Refused a handshake from {address}:" in site.process.output(), site.process.output())
    finally:
        site.kill()


@pytest.mark.parametrize("server", servers("daphne", "serve"))
async def test_behind_a_proxy_that_speaks_https_only_pages_over_https_may_connect(
    tmp_path: Path, server: str, dial: Dial
) -> None:
    site = Site(tmp_path, server, {"HTTPS": "on"}).start()
    proxied = {"X-Forwarded-Proto": "https"}
    own = f"https://127.0.0.1:{site.port}"
    try:
        proxied["Cookie"] = f"sessionid={site.new_cookie(proxied)}"
        client = await dial(f"{site.ws_url}{PATH}websocket", additional_headers=proxied | {"Origin": own})
        assert (await client.receive_event())[0] == "welcome"
        with urlopen(Request(f"{site.url}{PATH}polling", headers=proxied | {"Origin": own}), timeout=10) as answer:
            assert answer.status == 200
        for origin in (site.url, "https://127.0.0.1"):
            with pytest.raises(InvalidStatus):
                await dial(f"{site.ws_url}{PATH}websocket", additional_headers=proxied | {"Origin": origin})
            with pytest.raises(HTTPError, match="403"):
                urlopen(Request(f"{site.url}{PATH}polling", headers=proxied | {"Origin": origin}), timeout=10)
        assert f"Refused the origin '{site.url}': expected '{own}'" in site.process.output()
    finally:
        site.kill()
