"""Actions that ask first: a page that says what is going to happen to which objects, then the deed and its record."""

from collections.abc import Callable, Sequence
from functools import partial, wraps
from typing import Any, cast
from uuid import uuid4

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import LogEntry
from django.contrib.admin.utils import model_ngettext
from django.contrib.admin.widgets import AdminSplitDateTime
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy

from chat.admin.lists import ReadOnlyAdmin
from chat.models import FOREVER
from chat.services import LONGEST_TEXT, clean_text

MOST = 100  # objects at once: each is listed before and recorded after

Outcome = tuple[Sequence[Any], str]  # the objects to record it for, and what was done to them


class ReasonForm(forms.Form):
    """What every deed may be given."""

    reason = forms.CharField(
        max_length=200, required=False, help_text=gettext_lazy("For other moderators: kept in the history.")
    )


class UntilForm(ReasonForm):
    """How long it lasts; `until` is `FOREVER` when it was left empty."""

    until = forms.SplitDateTimeField(
        required=False, widget=AdminSplitDateTime, help_text=gettext_lazy("UTC. Empty: for ever.")
    )
    field_order: Sequence[str] = ("until", "reason")

    def clean_until(self) -> Any:
        """Return a time that is still to come."""
        until = self.cleaned_data["until"]
        if until is not None and until <= timezone.now():
            raise ValidationError(gettext("Expected a time to come."))
        return until or FOREVER


class BanForm(UntilForm):
    """How long, and how far."""

    with_address = forms.BooleanField(
        required=False,
        label=gettext_lazy("With their addresses"),
        help_text=gettext_lazy("Nobody comes in from there then, also those who share the address."),
    )
    field_order = ("until", "with_address", "reason")


class UnbanForm(ReasonForm):
    """How far."""

    with_address = forms.BooleanField(
        required=False, initial=True, label=gettext_lazy("With their addresses"), help_text=gettext_lazy("As above.")
    )
    field_order = ("with_address", "reason")


class AnnouncementForm(forms.Form):
    """What to say; `announcement` is what makes a form that is sent twice known."""

    text = forms.CharField(
        max_length=LONGEST_TEXT, widget=forms.Textarea(attrs={"rows": 3, "class": "vLargeTextField"})
    )
    announcement = forms.UUIDField(widget=forms.HiddenInput, initial=uuid4)

    def clean_text(self) -> str:
        """Return what may be said."""
        try:
            return clean_text(self.cleaned_data["text"])
        except ValueError as error:
            raise ValidationError(str(error)) from None


def asks_first(form_class: type[forms.Form], flag: int, permission: str, description: Any) -> Callable[..., Any]:
    """Make a method of an admin, called with objects and the form's data, an action that asks with a form before.

    The method returns an `Outcome`, which is recorded with `flag`: deed and record are stored both or neither.
    """

    def decorate(method: Callable[[Any, Sequence[Any], dict[str, Any]], Outcome]) -> Callable[..., Any]:
        @admin.action(permissions=[permission], description=description)
        @wraps(method)
        def action(self: Any, request: HttpRequest, chosen: QuerySet[Any]) -> TemplateResponse | None:
            return confirm(self, request, chosen, flag, form_class, partial(method, self))

        return action

    return decorate


def confirm(
    model_admin: ReadOnlyAdmin,
    request: HttpRequest,
    chosen: QuerySet[Any],
    flag: int,
    form_class: type[forms.Form],
    action: Callable[[Sequence[Any], dict[str, Any]], Outcome],
) -> TemplateResponse | None:
    """Ask, or, once the form was sent and is valid, act and record it.

    The form is sent back to the list that the action was chosen in, with the same objects.
    """
    objects = list(chosen.order_by("pk")[: MOST + 1])
    if len(objects) > MOST:
        model_admin.message_user(request, gettext("Choose at most %d at a time.") % MOST, messages.ERROR)
        return None
    form = form_class(request.POST) if "confirmed" in request.POST else form_class()
    if not form.is_valid():
        return ask(model_admin, request, objects, form)
    with transaction.atomic():
        done, what = action(objects, form.cleaned_data)
        if reason := form.cleaned_data.get("reason"):
            what += gettext(" Reason: %s") % reason
        if done:
            LogEntry.objects.log_actions(cast(int, request.user.pk), done, flag, what)
    kind = done[0]._meta if done else model_admin.opts
    result = f"{what} ({len(done)} {model_ngettext(kind, len(done))})"
    model_admin.message_user(request, result, messages.SUCCESS)
    return None


def ask(model_admin: ReadOnlyAdmin, request: HttpRequest, objects: Sequence[Any], form: forms.Form) -> TemplateResponse:
    """Return the page that asks."""
    _, name, title = model_admin.get_actions(request)[request.POST["action"]]
    context = {
        **model_admin.admin_site.each_context(request),
        "title": title,
        "opts": model_admin.opts,
        "media": model_admin.media + form.media,
        "action": name,
        "action_checkbox_name": ACTION_CHECKBOX_NAME,
        "objects": [(each.pk, model_admin.describe(each)) for each in objects],
        "form": form,
    }
    return TemplateResponse(request, "admin/chat/confirm.html", context)
