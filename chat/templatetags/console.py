"""What the admin's lists show beside Django's own."""

from calendar import monthrange
from datetime import date, datetime
from typing import Any

from django import template
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext

register = template.Library()
YEARS = 50  # that are offered; who has more has a clock that was wrong


@register.inclusion_tag("admin/date_hierarchy.html")
def bounded_dates(cl: Any) -> dict[str, Any]:
    """Offer years, months or days to narrow a list to, from the first to the last of the table.

    Django's own tag offers only those that have rows, for which it reads all of them.
    """
    field = cl.date_hierarchy
    if not field or (first := end_of(cl, field)) is None or (last := end_of(cl, f"-{field}")) is None:
        return {"show": False}
    chosen = [int(cl.params[key]) for part in ("year", "month", "day") if (key := f"{field}__{part}") in cl.params]
    return {"show": True, "back": back(cl, chosen), "choices": choices(cl, chosen, first, last)}


def end_of(cl: Any, order: str) -> date | None:
    """Return the first day in this order, None of an empty table: one look at the end of the index."""
    found: datetime | None = cl.model._default_manager.order_by(order).values_list(cl.date_hierarchy, flat=True).first()
    return localtime(found).date() if found else None


def choices(cl: Any, chosen: list[int], first: date, last: date) -> list[dict[str, str]]:
    """Return the next smaller periods of the one that was chosen."""
    match chosen:
        case []:
            years = range(max(first.year, last.year - YEARS), last.year + 1)
            return [{"link": link(cl, [year]), "title": str(year)} for year in years]
        case [year]:
            months = [date(year, month, 1) for month in range(1, 13)]
            inside = [day for day in months if first.replace(day=1) <= day <= last]
            return [
                {"link": link(cl, [year, day.month]), "title": date_format(day, "YEAR_MONTH_FORMAT")} for day in inside
            ]
        case [year, month]:
            days = [date(year, month, number) for number in range(1, monthrange(year, month)[1] + 1)]
            inside = [day for day in days if first <= day <= last]
            return [
                {"link": link(cl, [*chosen, day.day]), "title": date_format(day, "MONTH_DAY_FORMAT")} for day in inside
            ]
    return [{"title": date_format(date(*chosen), "MONTH_DAY_FORMAT")}]


def back(cl: Any, chosen: list[int]) -> dict[str, str] | None:
    """Return the way to the next greater period."""
    titles = {1: gettext("All dates"), 2: str(chosen[0]) if chosen else ""}
    if len(chosen) == 3:
        titles[3] = date_format(date(chosen[0], chosen[1], 1), "YEAR_MONTH_FORMAT")
    return {"link": link(cl, chosen[:-1]), "title": titles[len(chosen)]} if chosen else None


def link(cl: Any, period: list[int]) -> str:
    """Return the address of the list narrowed to a period."""
    field = cl.date_hierarchy
    parts = dict(zip((f"{field}__year", f"{field}__month", f"{field}__day"), period, strict=False))
    return str(cl.get_query_string(parts, [f"{field}__"]))
