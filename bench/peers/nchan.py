"""nginx with its module nchan as a server to be measured: a broker in C, without sessions and without Socket.IO.

It shows what a delivery costs when nothing but the delivery is done: it sends on what one of the subscribers publishes.
"""

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from bench.dialect import LOBBY, Dialect, plain
from bench.server import MissingToolError, Server

MODULE = "ngx_nchan_module.so"
CONFIGURATION = """
{load}
daemon off;
master_process off;
pid nginx.pid;
error_log stderr error;
events {{ worker_connections 15000; }}
http {{
  access_log off;
  client_body_temp_path .; proxy_temp_path .; fastcgi_temp_path .; uwsgi_temp_path .; scgi_temp_path .;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location ~ ^/chat/([a-z0-9-]+)$ {{
      nchan_pubsub websocket;
      nchan_channel_id $1;
      nchan_subscriber_first_message newest;
    }}
  }}
}}
"""


class Nchan(Server):
    """One nginx process."""

    name = "nginx + nchan"
    digits = 191
    scenarios = ("fanout",)  # its sockets wait for acknowledgements (Nagle), which stalls clients that only listen

    def installed(self) -> bool:
        """See Server."""
        return load_line() is not None

    def prepare(self) -> None:
        """See Server."""
        line = load_line()
        if line is None:
            raise MissingToolError("nginx and libnginx-mod-nchan")
        self._load = line
        self._folder = tempfile.TemporaryDirectory(prefix="chat-bench-")

    def close(self) -> None:
        """See Server."""
        self._folder.cleanup()

    def command(self) -> list[str]:
        """See Server."""
        configuration = Path(self._folder.name, "nginx.conf")
        configuration.write_text(CONFIGURATION.format(load=self._load, port=self.port))
        return ["nginx", "-e", "stderr", "-p", self._folder.name, "-c", str(configuration)]

    def new_cookies(self, count: int) -> list[str]:
        """See Server: nobody asks for them."""
        return ["none"] * count

    def dialect(self, room: str = LOBBY) -> Dialect:
        """See Server."""
        return plain(f"/chat/{room}", name="1234")

    def versions(self) -> dict[str, str]:
        """See Server."""
        found = re.search(r"nginx/(\S+)", build())
        query = ["dpkg-query", "--show", "--showformat", "${Version}", "libnginx-mod-nchan"]
        package = subprocess.run(query, stdout=subprocess.PIPE, text=True).stdout if shutil.which(query[0]) else ""
        return {"nginx": found[1] if found else "unknown", "nchan": package or "unknown"}


def build() -> str:
    """Return what nginx says about itself; empty when there is none."""
    if shutil.which("nginx") is None:
        return ""
    return subprocess.run(["nginx", "-V"], check=True, stderr=subprocess.PIPE, text=True).stderr


def load_line() -> str | None:
    """Return the line of the configuration that loads nchan; empty when it is built in, None when there is none."""
    options = build()
    found = re.search(r"--modules-path=(\S+)", options)
    if found and Path(found[1], MODULE).is_file():
        return f"load_module {found[1]}/{MODULE};"
    return "" if "nchan" in options else None
