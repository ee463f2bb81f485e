"""Serves the client shim."""

import hashlib
from functools import cache
from pathlib import Path

from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_cache_control
from django.views.decorators.http import condition, require_safe

SHIM = Path(__file__).parent / "static" / "socket.io" / "socket.io.js"


@cache
def read_shim() -> tuple[bytes, str]:
    """Return the shim and its ETag."""
    content = SHIM.read_bytes()
    return content, f'"{hashlib.sha256(content).hexdigest()[:16]}"'


@require_safe
@condition(etag_func=lambda request: read_shim()[1])
def shim(request: HttpRequest) -> HttpResponse:
    """Return the client shim; browsers keep it for an hour and then ask whether it has changed."""
    response = HttpResponse(read_shim()[0], content_type="text/javascript; charset=utf-8")
    patch_cache_control(response, public=True, max_age=3600)
    return response
