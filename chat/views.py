"""The pages, and what operators ask."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import cache_control, never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from chat import health
from chat.middleware import page
from chat.rooms import LOBBY, namespace_of


@page
@require_safe
@cache_control(no_store=True)
def room(request: HttpRequest, slug: str) -> HttpResponse:
    """Show the page of one room."""
    return render(request, "chat/room.html", {"room": "" if slug == LOBBY else slug, "namespace": namespace_of(slug)})


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
