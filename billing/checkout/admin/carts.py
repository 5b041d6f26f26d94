from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from billing.checkout.selectors import carts
from billing.models import Cart, Checkout
from billing.models.cart import CartStatus
from billing.sync.admin import tables
from billing.sync.admin.mirrors import METADATA
from common.admin import columns, filters
from common.admin.decorators import display
from common.admin.pages import ReadOnlyAdmin
from common.admin.sections import Section
from common.admin.sidebar import SidebarEntry, SidebarGroup
from common.money import Money


class CartStatusFilter(filters.ConditionFilter):
    """Filters by the computed status of a cart: the stored one can be out of date."""

    title = "status"
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(status.value), str(status.label)) for status in CartStatus]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        status = self.value()
        if not status:
            return queryset
        if status not in CartStatus.values:
            return queryset.none()
        return queryset.filter(carts.status_condition(CartStatus(status), timezone.now()))


@admin.register(Cart)
class CartAdmin(ReadOnlyAdmin):
    sidebar = SidebarEntry(SidebarGroup.MONEY, 1, "Carts", icon="shopping_cart")
    list_display = [
        "id",
        "customer_link",
        "project_link",
        "status_badge",
        "holds",
        "subtotal",
        "created_at",
        "expires_at",
    ]
    list_select_related: Sequence[str] = ["project", "customer", "checkout"]
    search_fields = [
        "id__exact",
        "customer__id__exact",
        "customer__user_id__exact",
        "customer__email__iexact",
    ]
    list_filter = [filters.PROJECT, CartStatusFilter, filters.dates("created_at")]
    fieldsets = [
        (
            None,
            {
                "fields": (
                    "id",
                    "project",
                    "customer",
                    "status_badge",
                    "subtotal",
                    "checkout",
                    "created_at",
                    "updated_at",
                    "expires_at",
                    "completed_at",
                )
            },
        ),
        METADATA,
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).prefetch_related("lines__price__product")

    @display(description="Customer", ordering="customer__user_id")
    def customer_link(self, row: Cart) -> object:
        return columns.link(row.customer)

    @display(description="Project", ordering="project__name")
    def project_link(self, row: Cart) -> object:
        return columns.link(row.project)

    @display(description="Status", ordering="status")
    def status_badge(self, row: Cart) -> object:
        return columns.badge(row.status_at(timezone.now()))

    @display(description="Holds")
    def holds(self, row: Cart) -> str:
        return tables.sold(row.lines.all()) or columns.EMPTY

    @display(description="Subtotal")
    def subtotal(self, row: Cart) -> str:
        lines = row.lines.all()
        total = sum(line.price.amount_of(line.quantity) for line in lines)
        return columns.money(total if lines else None, row.currency)

    @display(description="Metadata")
    def metadata_document(self, row: Cart) -> object:
        return columns.document(row.metadata)

    def sections(self, request: HttpRequest, row: Any) -> Sequence[Section]:
        pages = Checkout.objects.for_project(row.project_id).filter(cart=row).order_by("-pk")
        return [
            _lines(row),
            tables.checkouts(pages.prefetch_related("lines__price__product")[:20]),
        ]


def _lines(row: Cart) -> Section:
    return Section(
        title="Lines",
        headers=["Product", "Price", "Quantity", "Amount"],
        rows=[
            [
                columns.link(line.price.product),
                columns.link(line.price),
                line.quantity,
                str(Money(line.price.amount_of(line.quantity), line.price.currency)),
            ]
            for line in row.lines.all()
        ],
        empty="The cart is empty.",
        right=[2, 3],
    )
