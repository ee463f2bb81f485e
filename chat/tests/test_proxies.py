"""Behind which proxies the client's address is seen, under each server."""

from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from channels_socketio.tests.processes import Site, servers, wait_until


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
