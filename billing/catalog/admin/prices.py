from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from billing.catalog import service as catalog
from billing.catalog.admin import on_sale
from billing.models import Price
from billing.models.price import PriceType
from billing.models.sync_object import ObjectKind
from billing.sync.admin import read_again
from billing.sync.admin.mirrors import METADATA, STRIPE, MirrorAdmin
from common.admin import columns, dialogs, filters
from common.admin.actors import actor
from common.admin.decorators import action, display
from common.admin.sidebar import SidebarEntry, SidebarGroup

ARCHIVE = dialogs.describe(
    "Take the price off sale",
    "Nobody can buy at this price any more. Subscriptions that have it keep it.",
    submit="Take off sale",
    keep="Keep on sale",
)
RESTORE = dialogs.describe("Put the price on sale", "It can be bought again.", submit="Put on sale")


@admin.register(Price)
class PriceAdmin(MirrorAdmin):
    """Prices of products. The amount of a price never changes: a new amount is a new price."""

    sidebar = SidebarEntry(SidebarGroup.CATALOG, 2, "Prices", icon="sell")
    kind = ObjectKind.PRICE
    actions_detail: ClassVar[Sequence[str]] = ["archive", "restore", "read_again"]
    search_fields = [
        "id__exact",
        "stripe_id__exact",
        "nickname__icontains",
        "product__name__icontains",
        "product__id__exact",
    ]
    list_select_related = ["project", "product", "account"]
    list_display = [
        "id",
        "product_link",
        "project_link",
        "shown_amount",
        "type",
        "nickname",
        "state_badge",
        "stripe_code",
    ]
    list_filter = [
        filters.PROJECT,
        on_sale.OnSaleFilter,
        filters.words("type", PriceType.values),
        filters.dates("created_at"),
    ]
    fieldsets = [
        (
            None,
            {
                "fields": (
                    "id",
                    "project",
                    "product",
                    "nickname",
                    "shown_amount",
                    "type",
                    "state_badge",
                    "created_at",
                )
            },
        ),
        STRIPE,
        METADATA,
    ]

    def has_sell_permission(self, request: HttpRequest, obj: Model | str | None = None) -> bool:
        return request.user.has_perm("billing.change_price")

    @action(
        description="Take off sale",
        url_path="archive",
        icon="archive",
        permissions=["sell"],
        dialog=ARCHIVE,
    )
    def archive(self, request: HttpRequest, form: dialogs.Dialog, object_id: str) -> HttpResponse:
        return self._set(request, form, ARCHIVE, object_id, active=False)

    @action(
        description="Put on sale",
        url_path="restore",
        icon="unarchive",
        permissions=["sell"],
        dialog=RESTORE,
    )
    def restore(self, request: HttpRequest, form: dialogs.Dialog, object_id: str) -> HttpResponse:
        return self._set(request, form, RESTORE, object_id, active=True)

    def _set(
        self,
        request: HttpRequest,
        form: dialogs.Dialog,
        dialog: dict[str, Any],
        object_id: str,
        *,
        active: bool,
    ) -> HttpResponse:
        def act() -> HttpResponse:
            price = catalog.set_price_active(
                price=read_again.require_stripe_id(self.row(request, object_id)),
                active=active,
                actor=actor(request),
                reason=form.cleaned_data["reason"],
                at=timezone.now(),
            )
            state = "on sale" if price.active else "off sale"
            return dialogs.finish(request, f"The price is {state}.", to=columns.url(price))

        return dialogs.attempt(request, form, dialog, act)

    @display(description="Product", ordering="product__name")
    def product_link(self, row: Price) -> object:
        return columns.link(row.product)

    @display(description="Price", ordering="unit_amount")
    def shown_amount(self, row: Price) -> str:
        amount = columns.money(row.unit_amount, row.currency)
        if not row.interval:
            return amount
        every = row.interval if row.interval_count == 1 else f"{row.interval_count} {row.interval}s"
        return f"{amount} / {every}"

    @display(description="State")
    def state_badge(self, row: Price) -> object:
        return on_sale.badge(row)
