"""Login sessions of page visits: given with the first page, renewed while they are used."""

from collections.abc import Callable
from datetime import timedelta
from http import HTTPStatus
from math import ceil
from typing import Any, TypeVar, cast

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.utils.deprecation import MiddlewareMixin

from channels_socketio import address_of_request, block_of
from chat import bans, limits, names
from chat.models import LoginSession, Visitor
from chat.sessions import SessionStore

TOUCH_EVERY = timedelta(minutes=1)

View = TypeVar("View", bound=Callable[..., Any])


def page(view: View) -> View:
    """Mark `view` as a page: getting it is what creates a login session, and nothing else is."""
    view.is_page = True  # type: ignore[attr-defined]
    return view


class LoginSessionMiddleware(MiddlewareMixin):
    """Names visitors and keeps their login sessions alive; belongs behind AuthenticationMiddleware."""

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: Any
    ) -> HttpResponse | None:
        """Before the GET of a page, see to it that the session has a name.

        Who is banned gets no page and no name; who would be one new visitor too many must wait.
        """
        if not getattr(view, "is_page", False):
            return None
        session = cast(SessionStore, request.session)
        named = names.is_named(session)
        if is_shut_out(request):
            return instead_of_page(request, "banned.html", HTTPStatus.FORBIDDEN)
        if request.method == "GET" and not named:
            address = address_of_request(request)
            wait = limits.count_session(address)
            if wait is not None:
                response = instead_of_page(request, "429.html", HTTPStatus.TOO_MANY_REQUESTS)
                response["Retry-After"] = str(ceil(wait))
                return response
            names.assign(session, address=block_of(address))
        return None

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Renew the login session of a request that looked at it, so that use prolongs it."""
        session = cast(SessionStore, request.session)
        if session.accessed and session.row is not None:
            renew(session, session.row)
            touch(session.row, address_of_request(request))
        return response


def instead_of_page(request: HttpRequest, template: str, status: HTTPStatus) -> HttpResponse:
    """Return what somebody sees who gets no page."""
    response = render(request, template, status=status)
    response["Cache-Control"] = "no-store"
    return response


def renew(session: SessionStore, row: LoginSession) -> None:
    """Have row and cookie written again once less than half of the session's life is left."""
    left = row.expire_date - timezone.now()
    if left < timedelta(seconds=session.get_expiry_age()) / 2:
        session.modified = True


def touch(row: LoginSession, address: str) -> None:
    """Note that the visitor was here, and where from, at most once a minute."""
    now = timezone.now()
    visitor = row.visitor
    if visitor is not None and now - visitor.last_seen >= TOUCH_EVERY:
        Visitor.objects.filter(pk=visitor.pk).update(last_seen=now, address=block_of(address))


def is_shut_out(request: HttpRequest) -> bool:
    """Return whether who asks is banned, as a visitor or by address."""
    row = cast(SessionStore, request.session).row
    visitor_banned = row is not None and row.visitor is not None and row.visitor.banned
    return visitor_banned or bans.is_banned(address_of_request(request))
