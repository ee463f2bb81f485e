"""The pages, and what operators ask."""

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries, Settings

from channels_socketio.tests.support.processes import free_port

pytestmark = pytest.mark.django_db


def test_the_lobby(client: Client) -> None:
    answer = client.get(reverse("chat:lobby"))
    assert (answer.status_code, answer.context["room"], answer.context["namespace"]) == (200, "", "/")
    assert "chat/room.html" in [template.name for template in answer.templates]


@pytest.mark.parametrize("slug", ["a", "tea-time", "42", "-", "a" * 50])
def test_a_room(client: Client, slug: str) -> None:
    path = reverse("chat:room", args=[slug])
    answer = client.get(path)
    assert path == f"/rooms/{slug}/"
    assert (answer.status_code, answer.context["room"]) == (200, slug)
    assert answer.context["namespace"] == f"/rooms/{slug}"


@pytest.mark.parametrize("slug", ["A", "tea_time", "tea time", "a" * 51, "é", "a/b", "a.b", "%00", "a%0A", "٣"])
def test_what_is_not_a_slug_is_not_found(client: Client, slug: str) -> None:
    assert client.get(f"/rooms/{slug}/").status_code == 404


def test_the_slash_at_the_end_may_be_missing(client: Client) -> None:
    assert client.get("/rooms/tea").headers["Location"] == "/rooms/tea/"


@pytest.mark.parametrize("path", ["/", "/rooms/tea/"])
def test_a_page_is_not_kept_by_caches(client: Client, path: str) -> None:
    for answer in (client.get(path), client.get(path)):
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Vary"] == "Cookie"


@pytest.mark.parametrize("path", ["/", "/rooms/tea/", "/healthz", "/readyz", "/metrics"])
def test_nothing_can_be_posted(client: Client, path: str) -> None:
    assert client.head(path).status_code == 200
    assert client.post(path).status_code == 405


def test_alive_without_the_database(client: Client, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(0, connection=connection):
        answer = client.get("/healthz")
    assert (answer.status_code, answer.content) == (200, b"ok")
    assert "Vary" not in answer.headers


def test_able_to_serve(client: Client) -> None:
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"ready": True, "failed": []})
    assert "no-store" in answer.headers["Cache-Control"]


def test_not_able_to_serve_says_what_failed_and_no_address(client: Client, settings: Settings) -> None:
    url = f"redis://:topsecret@127.0.0.1:{free_port()}"
    settings.CHANNEL_LAYERS = {
        "default": {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": {"hosts": [url]}}
    }
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"ready": False, "failed": ["channel layer"]})


def test_metrics_are_prometheus_text(client: Client) -> None:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    assert b"\npython_info{" in answer.content


def test_plain_http_asks_for_health_only_when_https_is_on(client: Client, settings: Settings) -> None:
    settings.SECURE_SSL_REDIRECT = True
    assert client.get("/healthz").status_code == client.get("/readyz").status_code == 200
    assert client.get("/").headers["Location"] == "https://testserver/"
