"""The console's page of entries that consumers of the bus could not deal with."""

from collections.abc import Sequence
from typing import ClassVar

from django.contrib import admin
from django.db.models import Model, Q
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.enums import ActionVariant

from common.admin import columns, dialogs, filters
from common.admin.actors import actor
from common.admin.decorators import action, display
from common.admin.pages import ReadOnlyAdmin
from common.admin.sidebar import SidebarEntry, SidebarGroup
from delivery.bus import held_entries
from delivery.models import HeldEntry

AGAIN = dialogs.describe(
    "Try again",
    "The consumer tries the entry at once, then those that wait behind it. If it fails again, the "
    "pauses start anew.",
    submit="Try again",
)

DISCARD = dialogs.describe(
    "Discard the entry",
    "Its effect never happens. The entries that wait behind it go on. This cannot be undone.",
    submit="Discard entry",
    keep="Keep entry",
)


class HeldEntryStateFilter(filters.ConditionFilter):
    title = "state"
    parameter_name = "state"
    conditions = {
        "parked": Q(parked_at__isnull=False),
        "failing": Q(parked_at__isnull=True, failures__gt=0),
        "waiting": Q(parked_at__isnull=True, failures=0),
    }


@admin.register(HeldEntry)
class HeldEntryAdmin(ReadOnlyAdmin):
    """Entries of streams that a consumer could not deal with, and those that wait behind them."""

    sidebar = SidebarEntry(SidebarGroup.RECORD, 9, "Held bus entries", icon="pause_circle")
    actions_detail: ClassVar[Sequence[str]] = ["again", "discard"]
    search_fields = ["message_id__exact", "lane__exact", "consumer__exact"]
    list_display = [
        "message_code",
        "consumer",
        "lane_code",
        "state_badge",
        "failures",
        "held_at",
        "short_error",
    ]
    list_filter = [HeldEntryStateFilter, filters.dates("held_at")]
    fields = [
        "message_code",
        "consumer",
        "stream",
        "entry_id",
        "lane_code",
        "state_badge",
        "failures",
        "error",
        "held_at",
        "next_try_at",
        "parked_at",
    ]

    def has_decide_permission(self, request: HttpRequest, obj: Model | str | None = None) -> bool:
        return request.user.has_perm("delivery.change_heldentry")

    @action(
        description="Try again",
        url_path="try-again",
        icon="replay",
        permissions=["decide"],
        dialog=AGAIN,
    )
    def again(self, request: HttpRequest, form: dialogs.Dialog, object_id: str) -> HttpResponse:
        row = self.row(request, object_id)

        def act() -> HttpResponse:
            held_entries.try_again(
                row=row,
                actor=actor(request),
                reason=form.cleaned_data["reason"],
                at=timezone.now(),
            )
            message = "The consumer tries it again within a few seconds."
            return dialogs.finish(request, message, to=columns.url(row))

        return dialogs.attempt(request, form, AGAIN, act)

    @action(
        description="Discard",
        url_path="discard",
        icon="delete",
        variant=ActionVariant.DANGER,
        permissions=["decide"],
        dialog=DISCARD,
    )
    def discard(self, request: HttpRequest, form: dialogs.Dialog, object_id: str) -> HttpResponse:
        row = self.row(request, object_id)

        def act() -> HttpResponse:
            held_entries.discard(
                row=row,
                actor=actor(request),
                reason=form.cleaned_data["reason"],
                at=timezone.now(),
            )
            page = columns.listing("delivery.heldentry")
            return dialogs.finish(request, "The entry is discarded.", to=page)

        return dialogs.attempt(request, form, DISCARD, act)

    @display(description="Message")
    def message_code(self, row: HeldEntry) -> object:
        return columns.code(row.message_id)

    @display(description="Customer")
    def lane_code(self, row: HeldEntry) -> object:
        return columns.code(row.lane) if row.lane else columns.EMPTY

    @display(description="State")
    def state_badge(self, row: HeldEntry) -> object:
        if row.parked_at:
            return columns.badge("parked")
        return columns.badge("failing" if row.failures else "waiting")

    @display(description="Error")
    def short_error(self, row: HeldEntry) -> str:
        return columns.shortened(row.error, most=60)
