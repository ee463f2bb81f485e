"""Ends with status 0 if a process of the chat on this machine is ready: python deploy/healthcheck.py [PORT].

It asks under the first name in ALLOWED_HOSTS, so that the address of this machine need not be one of them.
"""

import os
import sys
from urllib.request import Request, urlopen

SECONDS = 4


def main() -> None:
    """Ask, and say in one line what came instead of a good answer."""
    port = sys.argv[1] if len(sys.argv) > 1 else "8000"
    host = os.environ.get("ALLOWED_HOSTS", "").split(",")[0].strip(" .") or f"127.0.0.1:{port}"
    url = f"http://127.0.0.1:{port}/readyz"
    try:
        with urlopen(Request(url, headers={"Host": host}), timeout=SECONDS):
            pass
    except (OSError, ValueError) as error:
        sys.exit(f"{url}: expected status 200, got: {error}")


if __name__ == "__main__":
    main()
