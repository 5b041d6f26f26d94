from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse

from billing.models import Invoice, Subscription, SubscriptionItem
from billing.models.subscription import SubscriptionStatus
from billing.models.sync_object import ObjectKind
from billing.representation import duplicates
from billing.subscriptions.admin import dialogs
from billing.sync.admin import tables
from billing.sync.admin.mirrors import METADATA, STRIPE, MirrorAdmin
from common.admin import columns, filters
from common.admin.decorators import action, display
from common.admin.sections import Section
from common.admin.sidebar import SidebarEntry, SidebarGroup


class DuplicateFilter(filters.ConditionFilter):
    """Filter subscriptions whose customer has an older live one to the same product."""

    title = "duplicates"
    parameter_name = "duplicates"
    conditions: ClassVar[Mapping[str, Q]] = {"of_an_older_one": duplicates.condition()}


@admin.register(Subscription)
class SubscriptionAdmin(MirrorAdmin):
    sidebar = SidebarEntry(SidebarGroup.MONEY, 7, "Subscriptions", icon="autorenew")
    kind = ObjectKind.SUBSCRIPTION
    actions_detail: ClassVar[Sequence[str]] = ["cancel", "pause", "resume", "undo", "read_again"]
    list_display = [
        "id",
        "customer_link",
        "project_link",
        "status_badge",
        "sold",
        "renews",
        "cancel_at",
        "paused",
        "duplicate_of",
        "stripe_code",
    ]
    list_filter = [
        filters.PROJECT,
        filters.words("status", SubscriptionStatus.values),
        DuplicateFilter,
        filters.dates("started_at"),
    ]
    fieldsets = [
        (
            None,
            {
                "fields": (
                    "id",
                    "project",
                    "customer",
                    "status_badge",
                    "duplicate_of",
                    "started_at",
                    "trial_ends_at",
                    "cancel_at",
                    "canceled_at",
                    "ended_at",
                    "paused",
                    "planned",
                    "discounted",
                )
            },
        ),
        STRIPE,
        METADATA,
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = duplicates.annotate_duplicates(super().get_queryset(request))
        return rows.prefetch_related("items__price__product")

    @display(description="Duplicate of")
    def duplicate_of(self, row: Subscription) -> object:
        """Link the older live subscription of the same customer to the same product."""
        older = duplicates.find_original(subscription=row)
        return columns.link(Subscription(pk=older), older) if older else columns.EMPTY

    @display(description="Sold")
    def sold(self, row: Subscription) -> str:
        return tables.sold(row.items.all()) or columns.EMPTY

    @display(description="Period ends")
    def renews(self, row: Subscription) -> str:
        period_ends = [item.period_end for item in row.items.all()]
        return columns.moment(min(period_ends)) if period_ends else columns.EMPTY

    @display(description="Paused")
    def paused(self, row: Subscription) -> str:
        if not row.pause_behavior:
            return columns.EMPTY
        until = f" until {columns.moment(row.resumes_at)}" if row.resumes_at else ""
        return f"{row.pause_behavior}{until}"

    @display(description="Scheduled change")
    def planned(self, row: Subscription) -> str:
        if row.scheduled_at is None:
            return columns.EMPTY
        items = (f"{item['quantity']} × {item['price'] or item['price_stripe_id']}"
                 for item in row.scheduled_items)  # fmt: skip
        return f"{columns.moment(row.scheduled_at)}: {', '.join(items)}"

    @display(description="Discounts")
    def discounted(self, row: Subscription) -> str:
        names = (discount["promotion_code"] or discount["coupon"] or discount["stripe_id"]
                 for discount in row.discounts)  # fmt: skip
        return ", ".join(names) or columns.EMPTY

    def has_act_permission(self, request: HttpRequest, obj: Model | str | None = None) -> bool:
        return request.user.has_perm("billing.change_subscription")

    @action(
        description="Cancel",
        url_path="cancel",
        icon="cancel",
        permissions=["act"],
        dialog=dialogs.CANCEL,
    )
    def cancel(
        self, request: HttpRequest, form: dialogs.CancelForm, object_id: str
    ) -> HttpResponse:
        self.row(request, object_id)
        return dialogs.cancel(request, form)

    @action(
        description="Pause",
        url_path="pause",
        icon="pause",
        permissions=["act"],
        dialog=dialogs.PAUSE,
    )
    def pause(self, request: HttpRequest, form: dialogs.PauseForm, object_id: str) -> HttpResponse:
        self.row(request, object_id)
        return dialogs.pause(request, form)

    @action(
        description="Resume",
        url_path="resume",
        icon="play_arrow",
        permissions=["act"],
        dialog=dialogs.RESUME,
    )
    def resume(
        self, request: HttpRequest, form: dialogs.SubscriptionForm, object_id: str
    ) -> HttpResponse:
        self.row(request, object_id)
        return dialogs.resume(request, form)

    @action(
        description="Undo scheduled change",
        url_path="undo",
        icon="undo",
        permissions=["act"],
        dialog=dialogs.UNDO,
    )
    def undo(
        self, request: HttpRequest, form: dialogs.SubscriptionForm, object_id: str
    ) -> HttpResponse:
        self.row(request, object_id)
        return dialogs.undo(request, form)

    def sections(self, request: HttpRequest, row: Any) -> Sequence[Section]:
        invoices = Invoice.objects.for_project(row.project_id).filter(subscription=row)
        return [_items_section(row.items.all()), tables.invoices(invoices.order_by("-pk")[:20])]


def _items_section(rows: Sequence[SubscriptionItem]) -> Section:
    return Section(
        title="Items",
        headers=["Product", "Price", "Quantity", "Period starts", "Period ends", "Stripe id"],
        rows=[
            [
                columns.link(item.price.product) if item.price else "not in the catalog",
                columns.link(item.price) if item.price else columns.code(item.price_stripe_id),
                item.quantity,
                columns.moment(item.period_start),
                columns.moment(item.period_end),
                columns.code(item.stripe_id),
            ]
            for item in rows
        ],
        right=[2],
    )
