from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from billing.models import SyncObject
from billing.models.sync_object import ObjectKind
from billing.sync.admin import read_again
from billing.sync.read_again import RereadObject
from billing.sync.selectors.sync_objects import IN_STATE
from common.admin import bulk, columns, dialogs, filters
from common.admin.decorators import action, display
from common.admin.pages import ReadOnlyAdmin
from common.admin.sidebar import SidebarEntry, SidebarGroup

WAKE = dialogs.describe(
    "Read again",
    "Reads the object from Stripe now and stores it, even if it is parked.",
    submit="Read again",
)


class SyncStateFilter(filters.ConditionFilter):
    title = "state"
    parameter_name = "state"
    conditions = IN_STATE


@admin.register(SyncObject)
class SyncObjectAdmin(ReadOnlyAdmin):
    """The sync queue: objects to read again from Stripe, with their last error."""

    sidebar = SidebarEntry(SidebarGroup.STRIPE, 4, "Sync objects", icon="sync")
    actions_detail: ClassVar[Sequence[str]] = ["wake"]
    actions: ClassVar[Sequence[str]] = ["wake_selected"]
    search_fields = ["stripe_id__exact", "foreign_customer__exact"]
    list_select_related = ["account", "project"]
    list_display = [
        "stripe_id",
        "kind_code",
        "state_badge",
        "project_link",
        "account",
        "behind",
        "attempts",
        "error",
        "applied_at",
    ]
    list_filter = [
        SyncStateFilter,
        filters.words("kind", ObjectKind.values),
        filters.PROJECT,
        filters.dates("applied_at"),
    ]
    fieldsets = [
        (None, {"fields": ("stripe_id", "kind", "state_badge", "account", "project")}),
        (
            "Queue",
            {
                "fields": (
                    "requested",
                    "applied",
                    "applied_at",
                    "attempts",
                    "next_try_at",
                    "leased_until",
                    "parked_at",
                    "error_text",
                )
            },
        ),
        ("Ownership", {"fields": ("foreign_at", "foreign_customer")}),
    ]

    def has_read_again_permission(
        self, request: HttpRequest, obj: Model | str | None = None
    ) -> bool:
        return request.user.has_perm("billing.change_syncobject")

    @action(
        description="Read again",
        url_path="read-again",
        icon="sync",
        permissions=["read_again"],
        dialog=WAKE,
    )
    def wake(self, request: HttpRequest, form: dialogs.Dialog, object_id: str) -> HttpResponse:
        row = self.row(request, object_id)
        return read_again.read_one(request, form, WAKE, object_of(row), to=columns.url(row))

    @action(description="Read again", permissions=["read_again"])
    def wake_selected(
        self, request: HttpRequest, rows: QuerySet[SyncObject]
    ) -> HttpResponse | None:
        reason = bulk.ask_reason(
            self,
            request,
            rows,
            title="Read again",
            description=(
                "These objects are read from Stripe again in the background, even parked ones."
            ),
            submit="Read again",
        )
        if isinstance(reason, HttpResponse):
            return reason
        read_again.request_many(request, map(object_of, rows), reason, at=timezone.now())
        return None

    @display(description="Kind", ordering="kind")
    def kind_code(self, row: SyncObject) -> object:
        return columns.code(row.kind)

    @display(description="State")
    def state_badge(self, row: SyncObject) -> object:
        return columns.badge(row.state)

    @display(description="Project")
    def project_link(self, row: SyncObject) -> object:
        return columns.link(row.project)

    @display(description="Behind")
    def behind(self, row: SyncObject) -> int:
        return row.requested - row.applied

    @display(description="Last error")
    def error(self, row: SyncObject) -> str:
        return columns.shortened(row.last_error)

    @display(description="Last error")
    def error_text(self, row: SyncObject) -> object:
        return columns.block(row.last_error) if row.last_error else columns.EMPTY


def object_of(row: Any) -> RereadObject:
    return RereadObject(
        account_id=row.account_id,
        kind=row.kind,
        stripe_id=row.stripe_id,
        subject=f"sync:{row.pk}",
        project_id=row.project_id,
    )
