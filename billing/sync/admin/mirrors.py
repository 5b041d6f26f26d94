"""Pages of mirrors: read-only rows that an operator can have read again from Stripe."""

from collections.abc import Sequence
from typing import Any, ClassVar

from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from billing.models.mirror import Mirror
from billing.models.sync_object import ObjectKind
from billing.sync.admin import read_again
from billing.sync.read_again import RereadObject
from common.admin import bulk, columns, dialogs, filters
from common.admin.decorators import action, display
from common.admin.pages import ReadOnlyAdmin

STRIPE = ("At Stripe", {"fields": ("account", "stripe_code", "synced_at", "updated_at")})
METADATA = (None, {"fields": ("metadata_document",)})
READ_AGAIN = dialogs.describe(
    "Read again",
    "Reads this object from Stripe now and stores it. Nothing is changed at Stripe.",
    submit="Read again",
)


class MirrorAdmin(ReadOnlyAdmin):
    """The list and page of one mirrored noun; ``kind`` is what is read again."""

    kind: ClassVar[ObjectKind]
    actions_detail: ClassVar[Sequence[str]] = ["read_again"]
    actions: ClassVar[Sequence[str]] = ["read_selected_again"]
    search_fields: Sequence[str] = [
        "id__exact",
        "stripe_id__exact",
        "customer__id__exact",
        "customer__user_id__exact",
        "customer__email__iexact",
    ]
    list_select_related: Sequence[str] = ["project", "customer", "account"]
    list_filter: Sequence[Any] = [filters.PROJECT, filters.dates("created_at")]

    def has_read_again_permission(
        self, request: HttpRequest, obj: Model | str | None = None
    ) -> bool:
        return request.user.has_perm("billing.change_syncobject")

    def object_to_read(self, row: Any) -> RereadObject:
        """The Stripe object that this row mirrors."""
        return read_again.object_of(row, kind=self.kind, subject=row.pk)

    @action(
        description="Read again",
        url_path="read-again",
        icon="sync",
        permissions=["read_again"],
        dialog=READ_AGAIN,
    )
    def read_again(
        self, request: HttpRequest, form: dialogs.Dialog, object_id: str
    ) -> HttpResponse:
        row = self.row(request, object_id)
        return read_again.read_one(
            request, form, READ_AGAIN, self.object_to_read(row), to=columns.url(row)
        )

    @action(description="Read again", permissions=["read_again"])
    def read_selected_again(self, request: HttpRequest, rows: QuerySet[Any]) -> HttpResponse | None:
        reason = bulk.ask_reason(
            self,
            request,
            rows,
            title="Read again",
            description="These objects are read from Stripe again in the background.",
            submit="Read again",
        )
        if isinstance(reason, HttpResponse):
            return reason
        objects = [self.object_to_read(row) for row in rows]
        read_again.request_many(request, objects, reason, at=timezone.now())
        return None

    @display(description="Customer", ordering="customer__user_id")
    def customer_link(self, row: Any) -> object:
        return columns.link(row.customer)

    @display(description="Project", ordering="project__name")
    def project_link(self, row: Mirror) -> object:
        return columns.link(row.project)

    @display(description="Status", ordering="status")
    def status_badge(self, row: Any) -> object:
        return columns.badge(row.status)

    @display(description="Stripe id")
    def stripe_code(self, row: Mirror) -> object:
        return columns.code(row.stripe_id)

    @display(description="Metadata")
    def metadata_document(self, row: Any) -> object:
        return columns.document(row.metadata)
