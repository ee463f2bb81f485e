"""What is shown when there is nothing to show."""

from django.test import Client, RequestFactory
from django.views.defaults import server_error
from pytest_django.asserts import assertContains


def test_a_wrong_address_has_a_page(client: Client) -> None:
    """An address without a room is answered with 404 and the way to the lobby."""
    response = client.get("/rooms/NO WAY/")
    assert response.status_code == 404
    assertContains(response, '<a href="/">To the lobby</a>', status_code=404, html=True)


def test_a_failure_has_a_page(rf: RequestFactory) -> None:
    """The page for our own failures needs nothing that may have failed."""
    response = server_error(rf.get("/"))
    assert response.status_code == 500
    assert b"Something went wrong" in response.content
