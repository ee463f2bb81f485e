"""What docs/howto/history.md says of numbers without holes."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections
from mysite.history import post
from mysite.models import Message


def post_some(thread: int) -> None:
    for number in range(10):
        post("/chat", f"thread {thread}", f"line {number}")
    connections.close_all()


@pytest.mark.django_db(transaction=True)
def test_threads_that_post_at_once_leave_no_holes() -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(post_some, range(4)))
    assert list(Message.objects.order_by("seq").values_list("seq", flat=True)) == list(range(1, 41))
