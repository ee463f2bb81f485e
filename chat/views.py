"""The pages, the older messages, and what operators ask."""

import re

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import cache_control, never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from channels_socketio import NEWEST, Refusal
from chat import health, log
from chat.middleware import is_shut_out, page
from chat.names import display_name, is_named
from chat.rooms import LOBBY, namespace_of

GREATEST_NUMBER = 2**63 - 1
MOST_MESSAGES = 100  # in one answer
COMPACT = {"ensure_ascii": False, "separators": (",", ":")}  # escapes would double the bytes of some languages


@page
@require_safe
@cache_control(no_store=True)
def room(request: HttpRequest, slug: str) -> HttpResponse:
    """Show the page of one room."""
    context = {
        "room": "" if slug == LOBBY else slug,
        "slug": slug,
        "namespace": namespace_of(slug),
        "visitor": request.session.get("visitor", ""),
        "name": display_name(request.session, request.user) or "",
    }
    return render(request, "chat/room.html", context)


@require_safe
@cache_control(no_store=True)
def messages(request: HttpRequest, slug: str) -> HttpResponse:
    """Return messages of a room as JSON, newest last: those before the number `before`, `limit` of them at most.

    `before` in the answer is the number to ask for the next, older ones; null when there are none.
    """
    if settings.SESSION_COOKIE_NAME not in request.COOKIES:
        return refused(Refusal.NO_COOKIE)
    if not is_named(request.session):
        return refused(Refusal.NO_SESSION)
    if is_shut_out(request):
        return refused(Refusal.BANNED)
    try:
        before = number(request, "before", GREATEST_NUMBER)
        limit = number(request, "limit", MOST_MESSAGES) or NEWEST
    except ValueError as error:
        return JsonResponse({"code": 3, "message": str(error)}, status=400)
    items, older = log.older(slug, before, limit)
    page = {"room": slug, "messages": [item.data for item in items], "before": older}
    return JsonResponse(page, json_dumps_params=COMPACT)


def number(request: HttpRequest, name: str, greatest: int) -> int | None:
    """Return a whole number of 1..`greatest` from the query string, None without it; raises ValueError."""
    text = request.GET.get(name)
    if text is None:
        return None
    if not re.fullmatch("[0-9]{1,19}", text) or not 1 <= int(text) <= greatest:
        raise ValueError(f"{name}: expected a whole number from 1 to {greatest}, got {text[:50]!r}.")
    return int(text)


def refused(refusal: Refusal) -> HttpResponse:
    """Return the answer that the endpoint of the sockets gives."""
    return JsonResponse({"code": refusal.code, "message": refusal.message}, status=refusal.status)


@require_safe
@never_cache
def healthz(request: HttpRequest) -> HttpResponse:
    """Say that the process is alive."""
    return HttpResponse("ok", content_type="text/plain")


@require_safe
@never_cache
async def readyz(request: HttpRequest) -> HttpResponse:
    """Say whether the process can serve; 503 names the parts that do not answer."""
    failed = await health.failures()
    if failed:
        return JsonResponse({"ready": False, "failed": failed}, status=503)
    return JsonResponse({"ready": True, "failed": []})


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """Return the process's figures as Prometheus text."""
    return HttpResponse(generate_latest(), content_type=CONTENT_TYPE_LATEST)
