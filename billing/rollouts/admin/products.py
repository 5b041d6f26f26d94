"""The page of a product, with the rollouts to its holders."""

from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.utils import quote
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone

from billing.catalog import product_features
from billing.catalog.admin.products import ProductAdmin
from billing.models import Product
from billing.rollouts.admin import planning
from billing.rollouts.admin.planning import PlanForm, PreviewedFeaturesForm
from common.admin import columns, dialogs
from common.admin.actors import actor
from common.admin.decorators import action
from common.admin.sections import Button, Section
from common.admin.sidebar import SidebarEntry, SidebarGroup

FEATURES = dialogs.describe(
    "The features of the product",
    "The change applies to all holders. The impact is shown first.",
    submit="Set features",
    form=PreviewedFeaturesForm,
)
ROLLOUTS = 10
PLANNING = "billing_product_plan_change"


@admin.register(Product)
class PlannedProductAdmin(ProductAdmin):
    sidebar = SidebarEntry(SidebarGroup.CATALOG, 1, "Products", icon="inventory_2")
    actions_detail: ClassVar[Sequence[str]] = [
        "set_features",
        "set_credits",
        "set_policies",
        "plan_change",
        "edit",
        "read_again",
    ]

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """The buttons above the page; the one that plans a change is in the section of changes."""
        actions: list[Any] = super().get_actions_detail(request, object_id)
        return [item for item in actions if item.action_name != PLANNING]

    @action(
        description="Set features",
        url_path="features",
        icon="toggle_on",
        permissions=["sell"],
        dialog=FEATURES,
    )
    def set_features(
        self, request: HttpRequest, form: PreviewedFeaturesForm, object_id: str
    ) -> HttpResponse:
        def act() -> HttpResponse:
            product = self.row(request, object_id)
            if not form.is_previewed():
                return dialogs.reopen(request, form, FEATURES)
            changed = product_features.replace(
                product=product,
                features=form.cleaned_data["features"],
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

        return dialogs.attempt(request, form, FEATURES, act)

    @action(
        description="Plan a change",
        url_path="plan",
        icon="rule",
        permissions=["sell"],
        dialog=planning.PLAN,
    )
    def plan_change(self, request: HttpRequest, form: PlanForm, object_id: str) -> HttpResponse:
        return planning.plan(request, form, self.row(request, object_id))

    def sections(self, request: HttpRequest, row: Any) -> Sequence[Section]:
        return [*super().sections(request, row), _rollouts(row, self._planning(request, row))]

    def _planning(self, request: HttpRequest, row: Product) -> list[Button]:
        if not self.has_sell_permission(request):
            return []
        href = reverse(f"admin:{PLANNING}", args=[quote(row.pk)])
        return [Button("Plan a change", href, icon="rule")]


def _rollouts(row: Product, buttons: Sequence[Button]) -> Section:
    return Section(
        title="Changes",
        note="Changes that are being applied to its holders.",
        headers=["Change", "Status", "Holders done", "Changed", "Made"],
        rows=[
            [
                columns.link(rollout, rollout.pk),
                columns.badge(rollout.status),
                columns.EMPTY
                if rollout.total is None
                else f"{rollout.looked_at:,} of {rollout.total:,}",
                f"{rollout.changed:,}",
                columns.moment(rollout.created_at),
            ]
            for rollout in row.rollouts.order_by("-pk")[:ROLLOUTS]
        ],
        more=columns.listing("billing.rollout", q=row.pk),
        right=[2, 3],
        buttons=buttons,
    )
