"""Banned addresses and networks."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AdminSplitDateTime
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext, gettext_lazy

from channels_socketio import network_of
from chat import moderation
from chat.admin.lists import ReadOnlyAdmin, end_of
from chat.models import FOREVER, AddressBan


class AddressBanForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    """An address or network, and until when."""

    until = forms.SplitDateTimeField(
        required=False, initial=None, widget=AdminSplitDateTime, help_text=gettext_lazy("UTC. Empty: for ever.")
    )

    class Meta:
        model = AddressBan
        fields = ("network", "until", "reason")
        help_texts = {"network": gettext_lazy("192.0.2.7, 192.0.2.0/24, 2001:db8:1:2::/64")}

    def clean_network(self) -> str:
        try:
            return str(network_of(self.cleaned_data["network"]))
        except ValueError as error:
            raise ValidationError(gettext("Expected an address or a network: %s") % error) from None

    def clean_until(self) -> Any:
        return self.cleaned_data["until"] or FOREVER


@admin.register(AddressBan)
class AddressBanAdmin(ReadOnlyAdmin):
    """From where nobody may come in. What is wrong is deleted and made again."""

    form = AddressBanForm
    list_display = ("network", "ends", "reason", "made")
    search_fields = ("network",)
    search_help_text = gettext_lazy("An address or network, as it was banned")
    ordering = ("-id",)
    fields = ("network", "until", "reason")
    has_add_permission = admin.ModelAdmin.has_add_permission

    def find(self, request: HttpRequest, queryset: QuerySet[Any], term: str) -> QuerySet[Any]:
        """Find by the exact network."""
        try:
            return queryset.filter(network=str(network_of(term)))
        except ValueError:
            return queryset.none()

    @admin.display(description=gettext_lazy("until"))
    def ends(self, ban: AddressBan) -> str:
        return end_of(ban.until)

    def save_model(self, request: HttpRequest, obj: AddressBan, form: Any, change: bool) -> None:
        obj.pk = moderation.ban_address(obj.network, obj.until, obj.reason).pk

    def delete_model(self, request: HttpRequest, obj: AddressBan) -> None:
        moderation.unban_addresses([obj.network])
