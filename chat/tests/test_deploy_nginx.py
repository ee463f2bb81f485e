"""The site file for nginx, under a real nginx in front of two real processes."""

import asyncio
import gzip
import os
import re
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from channels_socketio.tests.support.processes import Process, accepts_connections, free_port, require, wait_until
from channels_socketio.tests.support.ws_client import Dial
from chat.tests.deployment import DEPLOY, replaced
from chat.tests.site import Site

NGINX = DEPLOY / "nginx"
MAIN = """
daemon off;
pid {folder}/nginx.pid;
error_log stderr warn;
{user}
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/upstream.conf;
    include {folder}/chat.conf;
}}
"""
POLL = "/socket.io/?EIO=4&transport=polling"


class Answer(NamedTuple):
    """An answer, read to its end."""

    status: int
    headers: Any
    body: bytes


class Proxied(NamedTuple):
    """nginx in front of two processes."""

    plain: int
    port: int
    sites: list[Site]

    def request(self, method: str, path: str, source: str = "127.0.0.1", body: str = "", **headers: str) -> Answer:
        """Return the answer to a request over TLS, on a connection of its own from one of this machine's addresses."""
        return ask(
            HTTPSConnection("127.0.0.1", self.port, timeout=10, context=trusting(), source_address=(source, 0)),
            *(method, path, body),
            {name.replace("_", "-"): value for name, value in headers.items()},
        )

    def new_cookie(self) -> str:
        """Return the cookie of a new visitor."""
        cookie: str = self.request("GET", "/").headers["Set-Cookie"].partition(";")[0]
        return cookie


def ask(connection: HTTPConnection, method: str, path: str, body: str, headers: dict[str, str]) -> Answer:
    """Return the answer to a request, and close the connection."""
    with closing(connection):
        connection.request(method, path, body or None, headers)
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())


def trusting() -> ssl.SSLContext:
    """Return a context for a certificate that nobody has signed."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def configure(folder: Path, ports: list[int], upstreams: dict[str, int], upstream: str = "upstream.conf") -> list[str]:
    """Write the files of deploy/nginx with other ports and paths; return nginx's command."""
    require(shutil.which("nginx") is not None, "nginx")
    require(shutil.which("openssl") is not None, "openssl")
    names = ["-keyout", str(folder / "privkey.pem"), "-out", str(folder / "fullchain.pem")]
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=chat.example", *names]
    subprocess.run(make, check=True, capture_output=True)
    site = {
        "listen 80;": f"listen 127.0.0.1:{ports[0]};",
        "listen [::]:80;": "",
        "listen 443 ssl;": f"listen 127.0.0.1:{ports[1]} ssl;",
        "listen [::]:443 ssl;": "",
        "/etc/ssl/chat/": f"{folder}/",
    }
    (folder / "chat.conf").write_text(replaced((NGINX / "chat.conf").read_text(), site))
    processes = {f"server {address};": f"server 127.0.0.1:{port};" for address, port in upstreams.items()}
    (folder / "upstream.conf").write_text(replaced((NGINX / upstream).read_text(), processes))
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(MAIN.format(folder=folder, user=user))
    return ["nginx", "-e", "stderr", "-p", str(folder), "-c", str(folder / "nginx.conf")]


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    """nginx with the site file, in front of two processes with one database."""
    folder = tmp_path_factory.mktemp("nginx")
    env = {"HTTPS": "on", "TRUSTED_PROXIES": "127.0.0.1", "DATABASE_URL": f"sqlite:///{folder / 'site.sqlite3'}"}
    sites = [Site(folder, env=env) for _ in range(2)]
    ports = [free_port(), free_port()]
    addresses = {"127.0.0.1:8000": sites[0].port, "127.0.0.1:8001": sites[1].port}
    nginx = Process(configure(folder, ports, addresses), folder / "nginx.log")
    try:
        for site in sites:
            site.start()
        nginx.start()
        wait_until(lambda: accepts_connections(ports[1]), f"nginx listened: {nginx.output()}")
        yield Proxied(ports[0], ports[1], sites)
    finally:
        nginx.kill()
        for site in sites:
            site.kill()
    assert "[warn]" not in nginx.output()


@pytest.mark.parametrize(
    ("upstream", "addresses"),
    [
        ("upstream.conf", ["127.0.0.1:8000", "127.0.0.1:8001"]),
        ("upstream.compose.conf", ["chat-1:8000", "chat-2:8000"]),
    ],
)
def test_nginx_takes_the_files(tmp_path: Path, upstream: str, addresses: list[str]) -> None:
    command = configure(tmp_path, [free_port(), free_port()], dict.fromkeys(addresses, 8000), upstream)
    done = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "warn" not in done.stderr


def test_the_two_upstreams_differ_in_addresses_only() -> None:
    texts = [(NGINX / name).read_text() for name in ("upstream.conf", "upstream.compose.conf")]
    first, second = [re.sub(r"server [\w.:-]+;", "server;", text.partition("\n")[2]) for text in texts]
    assert first == second


def test_plain_http_leads_to_https(proxied: Proxied) -> None:
    connection = HTTPConnection("127.0.0.1", proxied.plain, timeout=10)
    answer = ask(connection, "GET", "/rooms/tea/?a=b", "", {"Host": "chat.example"})
    assert (answer.status, answer.headers["Location"]) == (301, "https://chat.example/rooms/tea/?a=b")


def test_a_page_comes_over_tls_compressed_with_a_secure_cookie(proxied: Proxied) -> None:
    answer = proxied.request("GET", "/", Accept_Encoding="gzip")
    assert (answer.status, answer.headers["Content-Encoding"]) == (200, "gzip")
    assert "Secure" in answer.headers["Set-Cookie"]
    page = gzip.decompress(answer.body).decode()
    script = re.search(r'src="(/static/chat/[^"]+)"', page)
    assert script is not None
    answer = proxied.request("GET", script[1], Accept_Encoding="gzip")
    assert (answer.status, answer.headers["Content-Encoding"]) == (200, "gzip")
    assert gzip.decompress(answer.body)


async def test_a_websocket_of_the_site_s_page_is_let_through(proxied: Proxied, dial: Dial) -> None:
    headers = {"Cookie": await asyncio.to_thread(proxied.new_cookie), "Origin": f"https://127.0.0.1:{proxied.port}"}
    url = f"wss://127.0.0.1:{proxied.port}/socket.io/?EIO=4&transport=websocket"
    client = await dial(url, additional_headers=headers, ssl=trusting())
    assert (await client.receive_event())[0] == "welcome"


def test_each_visitor_comes_to_one_process_and_all_visitors_to_both(proxied: Proxied) -> None:
    """The processes have no Redis: a poll at the other one would be answered with 400."""
    processes = set()
    for _ in range(40):
        cookie = proxied.new_cookie()
        opened = proxied.request("GET", POLL, Cookie=cookie)
        found: Any = re.search(rb'"sid":"([^"]+)"', opened.body)
        sid = found[1].decode()
        processes.add(sid[:8])
        headers = {"Cookie": cookie, "Content_Type": "text/plain;charset=UTF-8"}
        for packet in ("40", "40/rooms/tea,", "40/rooms/pot,"):
            assert proxied.request("POST", f"{POLL}&sid={sid}", body=packet, **headers).body == b"ok"
        if len(processes) == 2:
            return
    pytest.fail("all visitors came to one process")


def test_the_address_of_the_client_is_passed_on_and_not_believed_of_the_client(proxied: Proxied) -> None:
    answer = proxied.request("GET", POLL, source="127.0.0.5", X_Forwarded_For="192.0.2.9")
    assert answer.status == 403
    logs = "".join(site.process.output() for site in proxied.sites)
    assert "Refused a handshake from 127.0.0.5:" in logs
    assert "192.0.2.9" not in logs


def test_metrics_are_for_this_machine_only(proxied: Proxied) -> None:
    assert proxied.request("GET", "/metrics").status == 200
    assert proxied.request("GET", "/metrics", source="127.0.0.2").status == 403


def test_attempts_to_log_in_are_limited_by_address(proxied: Proxied) -> None:
    def statuses(method: str, source: str) -> list[int]:
        return [proxied.request(method, "/admin/login/", source).status for _ in range(8)]

    assert statuses("POST", "127.0.0.6") == [403] * 6 + [429] * 2
    assert statuses("GET", "127.0.0.6") == [200] * 8
    assert statuses("POST", "127.0.0.7")[0] == 403
