from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from billing.models import StripeMeter
from common.admin import columns, dialogs, filters
from common.admin.actors import actor
from common.admin.decorators import action, display
from common.admin.pages import ReadOnlyAdmin
from common.admin.sections import Section
from common.admin.sidebar import SidebarEntry, SidebarGroup
from usage.models import Record
from usage.reporting import forwarding
from usage.reporting import selectors as forwarding_selectors

NEWEST = 50
AGAIN = dialogs.describe(
    "Tell Stripe again",
    "Sends every refused record of this meter to Stripe again: to count it, or to cancel it. "
    "Compare with Stripe first: a record without an answer may count twice.",
    submit="Tell Stripe again",
)


@admin.register(StripeMeter)
class StripeMeterAdmin(ReadOnlyAdmin):
    """Meters at Stripe of metered prices, and the usage records that Stripe refused."""

    sidebar = SidebarEntry(SidebarGroup.STRIPE, 7, "Meters", icon="speed")
    actions_detail: ClassVar[Sequence[str]] = ["again"]
    search_fields = ["id__exact", "stripe_id__exact", "meter__id__exact", "meter__code__exact"]
    list_select_related = ["account", "project", "meter"]
    list_display = ["id", "meter_code", "project_link", "account", "stripe_code", "created_at"]
    list_filter = [filters.PROJECT, filters.dates("created_at")]
    fieldsets = [
        (
            None,
            {"fields": ("id", "project", "meter_code", "account", "stripe_code", "created_at")},
        ),
    ]

    def has_decide_permission(self, request: HttpRequest, obj: Model | str | None = None) -> bool:
        return request.user.has_perm("billing.change_stripemeter")

    @action(
        description="Tell Stripe again",
        url_path="again",
        icon="replay",
        permissions=["decide"],
        dialog=AGAIN,
    )
    def again(self, request: HttpRequest, form: dialogs.Dialog, object_id: str) -> HttpResponse:
        row = self.row(request, object_id)

        def act() -> HttpResponse:
            count = forwarding.retry_refused(
                meter=row.meter,
                reason=form.cleaned_data["reason"],
                actor=actor(request),
                at=timezone.now(),
            )
            message = f"Stripe is asked again about {count} record(s) within a few seconds."
            return dialogs.finish(request, message, to=columns.url(row))

        return dialogs.attempt(request, form, AGAIN, act)

    def sections(self, request: HttpRequest, row: Any) -> Sequence[Section]:
        records = list(forwarding_selectors.refused(meter=row.meter)[: NEWEST + 1])
        return [
            Section(
                title="Refused by Stripe",
                headers=["Record", "Customer", "Used", "At", "Why"],
                rows=[_refused(record) for record in records[:NEWEST]],
                empty="Stripe has refused nothing.",
                note=f"The newest {NEWEST}." if len(records) > NEWEST else "",
                right=[2],
                prose=[4],
            )
        ]

    @display(description="Meter", ordering="meter__code")
    def meter_code(self, row: StripeMeter) -> object:
        return columns.code(row.meter.code)

    @display(description="Project", ordering="project__name")
    def project_link(self, row: StripeMeter) -> object:
        return columns.link(row.project)

    @display(description="At Stripe")
    def stripe_code(self, row: StripeMeter) -> object:
        return columns.code(row.stripe_id)


def _refused(record: Record) -> list[object]:
    return [
        columns.code(record.id),
        columns.link(record.customer),
        record.value,
        columns.moment(record.occurred_at),
        record.forwarding_error,
    ]
