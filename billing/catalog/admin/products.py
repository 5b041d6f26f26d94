from collections.abc import Sequence
from typing import Any, ClassVar

from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html_join

from billing.catalog import product_credits, product_policies
from billing.catalog import service as catalog
from billing.catalog.admin import on_sale
from billing.catalog.admin.product_forms import CreditsForm, PoliciesForm, ProductChangeForm
from billing.catalog.catalog_requests import ProductChangeRequest
from billing.models import Product
from billing.models.sync_object import ObjectKind
from billing.sync.admin import read_again
from billing.sync.admin.mirrors import METADATA, STRIPE, MirrorAdmin
from common.admin import columns, dialogs, filters
from common.admin.actors import actor
from common.admin.decorators import action, display
from common.admin.sections import Section
from entitlements.features.admin import values

CHANGE = dialogs.describe(
    "Change product", "It is changed at Stripe first.", submit="Change", form=ProductChangeForm
)
CREDITS = dialogs.describe(
    "Credits",
    "Credits that were given already do not change.",
    submit="Set credits",
    form=CreditsForm,
)
POLICIES = dialogs.describe(
    "Refunds and disputes",
    "The change applies to all holders, also for earlier refunds.",
    submit="Set policies",
    form=PoliciesForm,
)


class ProductAdmin(MirrorAdmin):
    """The page of a product. ``rollouts.admin.products`` extends and registers it."""

    kind = ObjectKind.PRODUCT
    actions_detail: ClassVar[Sequence[str]] = [
        "set_credits",
        "set_policies",
        "edit",
        "read_again",
    ]
    search_fields = ["id__exact", "stripe_id__exact", "name__icontains"]
    list_select_related = ["project", "account"]
    list_display = ["name", "project_link", "gives", "state_badge", "stripe_code", "created_at"]
    list_filter = [filters.PROJECT, on_sale.OnSaleFilter, filters.dates("created_at")]
    fieldsets = [
        (
            None,
            {
                "fields": (
                    "id",
                    "name",
                    "description",
                    "project",
                    "state_badge",
                    "credits_shown",
                    "refund_policy",
                    "dispute_policy",
                    "renewal_policy",
                    "created_at",
                )
            },
        ),
        STRIPE,
        METADATA,
    ]

    def has_sell_permission(self, request: HttpRequest, obj: Model | str | None = None) -> bool:
        return request.user.has_perm("billing.change_product")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).prefetch_related("features__feature")

    @action(
        description="Credits",
        url_path="credits",
        icon="toll",
        permissions=["sell"],
        dialog=CREDITS,
    )
    def set_credits(self, request: HttpRequest, form: CreditsForm, object_id: str) -> HttpResponse:
        product = self.row(request, object_id)
        changed = product_credits.replace(
            product=product,
            credits=form.credits,
            actor=actor(request),
            reason=form.cleaned_data["reason"],
            at=timezone.now(),
        )
        message = "Set, for credits that are given from now on." if changed else "Nothing changed."
        return dialogs.finish(request, message, to=columns.url(product))

    @action(
        description="Refunds and disputes",
        url_path="policies",
        icon="policy",
        permissions=["sell"],
        dialog=POLICIES,
    )
    def set_policies(
        self, request: HttpRequest, form: PoliciesForm, object_id: str
    ) -> HttpResponse:
        product = self.row(request, object_id)
        changed = product_policies.replace(
            product=product,
            refund_policy=form.cleaned_data["refund_policy"],
            dispute_policy=form.cleaned_data["dispute_policy"],
            renewal_policy=form.cleaned_data["renewal_policy"],
            actor=actor(request),
            reason=form.cleaned_data["reason"],
            at=timezone.now(),
        )
        message = (
            ("Set. The change is being applied to the product's holders.")
            if changed
            else "Nothing changed."
        )
        return dialogs.finish(request, message, to=columns.url(product))

    @action(
        description="Change",
        url_path="edit",
        icon="edit",
        permissions=["sell"],
        dialog=CHANGE,
    )
    def edit(self, request: HttpRequest, form: ProductChangeForm, object_id: str) -> HttpResponse:
        data = form.cleaned_data

        def act() -> HttpResponse:
            product = catalog.change_product(
                product=read_again.require_stripe_id(self.row(request, object_id)),
                request=ProductChangeRequest(
                    name=data["name"], description=data["description"], active=data["on_sale"]
                ),
                actor=actor(request),
                reason=data["reason"],
                at=timezone.now(),
            )
            return dialogs.finish(request, f"{product} is changed.", to=columns.url(product))

        return dialogs.attempt(request, form, CHANGE, act)

    @display(description="Gives")
    def gives(self, row: Product) -> object:
        pairs = (
            (item.feature.code, values.format_value(item.value, kind=item.feature.kind))
            for item in row.features.all()
        )
        return format_html_join(", ", "{}: {}", pairs) or columns.EMPTY

    @display(description="Credits")
    def credits_shown(self, row: Product) -> object:
        return row.credits_amount or columns.EMPTY

    @display(description="State")
    def state_badge(self, row: Product) -> object:
        return on_sale.badge(row)

    def sections(self, request: HttpRequest, row: Any) -> Sequence[Section]:
        return [_features(row), _prices(row)]


def _features(row: Product) -> Section:
    return Section(
        title="Features",
        headers=["Feature", "Kind", "Value"],
        rows=[
            [
                columns.link(item.feature),
                item.feature.get_kind_display(),
                values.format_value(item.value, kind=item.feature.kind),
            ]
            for item in row.features.all()
        ],
        empty="The product gives nothing yet. Set its features, so that a purchase has an effect.",
    )


def _prices(row: Product) -> Section:
    return Section(
        title="Prices",
        headers=["Price", "Amount", "Type", "Name", "State"],
        rows=[
            [
                columns.link(price, price.pk),
                str(price),
                price.get_type_display(),
                price.nickname or columns.EMPTY,
                on_sale.badge(price),
            ]
            for price in row.prices.order_by("-pk")
        ],
        right=[1],
    )
