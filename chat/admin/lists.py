"""Lists that cost the same however long the tables are.

A table of messages grows for ever, so no page of the admin may walk through it. Every list is a range of an index, in
the order of that index: what can be searched, filtered and sorted is what an index has. Django's own ways to count
rows, to offer dates and to sort by any column, or by any condition written into the address, read all rows; they are
replaced here. The price is that a list ends after `MOST` rows: what lies further back is found by date or by search.
"""

from collections.abc import Callable
from datetime import datetime
from functools import cached_property
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth import get_user_model
from django.core.paginator import Paginator
from django.db import connection
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.formats import localize
from django.utils.html import format_html
from django.utils.timezone import localtime
from django.utils.translation import gettext

from chat.models import FOREVER

MOST = 1000
MOST_USERS = 100  # whom the beginning of a username finds
DATE_PARTS = ("year", "month", "day")


class BoundedPaginator(Paginator):  # type: ignore[type-arg]  # generic in the stubs only
    """Pages of the first `MOST` rows; `more` tells whether there are others."""

    @cached_property
    def count(self) -> int:
        """How many rows can be paged through."""
        return min(self._found, MOST)

    @property
    def more(self) -> bool:
        """Whether there are rows that can not."""
        return self._found > MOST

    @cached_property
    def _found(self) -> int:
        rows: Any = self.object_list  # a queryset
        return int(rows[: MOST + 1].count())


class BoundedChangeList(ChangeList):
    """A list whose order its admin alone decides, whatever the address asks for."""

    def get_ordering_field(self, field_name: Any) -> None:
        """Return nothing: no column can be sorted by."""


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    """An admin whose objects are made and changed elsewhere."""

    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    sortable_by = ()
    lookups: ClassVar[tuple[str, ...]] = ()  # beside those of filters, what an address may ask for

    class Media:
        css: ClassVar[dict[str, list[str]]] = {"all": ["chat/console.css"]}

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return BoundedChangeList

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        """Allow what an index answers: the parameters of filters, parts of the date, and `lookups`."""
        filters = [getattr(each, "parameter_name", None) for each in self.list_filter]
        dates = [f"{self.date_hierarchy}__{part}" for part in DATE_PARTS]
        if lookup in dates:  # a month is a range of the index only within its year
            return request is not None and all(part in request.GET for part in dates[: dates.index(lookup)])
        return lookup in (*filters, *self.lookups)

    def describe(self, obj: Any) -> str:
        """Return what a moderator has to read about an object before something is done to it."""
        return str(obj)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Return what is found, each once."""
        term = search_term.strip()
        return (self.find(request, queryset, term) if term else queryset), False

    def find(self, request: HttpRequest, queryset: QuerySet[Any], term: str) -> QuerySet[Any]:
        """Return the rows that `term` finds, by an index."""
        return queryset.none()

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Return the actions without Django's own for deleting: what may go has an action that says what it does."""
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Show the page of one object, with buttons for the actions."""
        context["admin_actions"] = [(name, title) for _, name, title in self.get_actions(request).values()]
        return super().render_change_form(request, context, *args, **kwargs)


class ConditionFilter(admin.SimpleListFilter):
    """A filter by one of a few conditions: for each choice its title, and what narrows the list to it."""

    conditions: ClassVar[dict[str, tuple[Any, Callable[[Any], QuerySet[Any]]]]]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(choice, title) for choice, (title, _) in self.conditions.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        choice = self.value()
        return self.conditions[choice][1](queryset) if choice in self.conditions else queryset


def needs(permission: str) -> Callable[[Any, HttpRequest], bool]:
    """Return a method of an admin that tells whether who asks has a permission."""
    return lambda self, request: request.user.has_perm(permission)


def links_to(name: str, description: Any) -> Callable[[Any, Any], str]:
    """Return a column with a link to what an object has under `name`, "-" without one."""

    @admin.display(description=description)
    def column(self: Any, obj: Any) -> str:
        return link_to(getattr(obj, name, None))

    return column


def begins_with(field: str, text: str) -> Q:
    """Return the condition that a unique text begins with `text`, as the database's index can answer it."""
    condition = Q(**{f"{field}__startswith": text})
    if connection.vendor == "sqlite":  # its LIKE uses no index; its order is that of code points
        condition &= Q(**{f"{field}__gte": text, f"{field}__lt": text + "\U0010ffff"})
    return condition


def users_called(beginning: str) -> list[Any]:
    """Return the primary keys of the first users whose username begins so."""
    model = get_user_model()
    found = model._default_manager.filter(begins_with(model.USERNAME_FIELD, beginning)).order_by(model.USERNAME_FIELD)
    return list(found.values_list("pk", flat=True)[:MOST_USERS])


def whole_number(term: str) -> int | None:
    """Return the number that `term` is, None if it is none that the database could hold."""
    return int(term) if term.isascii() and term.isdecimal() and len(term) < 19 else None


def link_to(target: Any, text: object = None) -> str:
    """Return a link to the page of an object, "-" without one."""
    if target is None:
        return "-"
    address = reverse(f"admin:{target._meta.app_label}_{target._meta.model_name}_change", args=[target.pk])
    return format_html('<a href="{}">{}</a>', address, target if text is None else text)


def end_of(moment: datetime) -> str:
    """Return until when something lasts, for people."""
    return gettext("for ever") if moment == FOREVER else gettext("until %s") % shown(moment)


def shown(moment: datetime | None) -> str:
    """Return a time for people, "-" for none."""
    return "-" if moment is None else localize(localtime(moment))
