"""Dialogs that plan a product change, and that preview the impact of new features."""

import hashlib
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from billing.catalog.admin.product_forms import FeaturesForm
from billing.catalog.product_features import ProductEntitlement
from billing.catalog.selectors import catalog
from billing.models import Product
from billing.models.product import DisputePolicy, RefundPolicy
from billing.rollouts import change_impact
from billing.rollouts import service as rollouts
from billing.rollouts.admin import impact_sections
from billing.rollouts.planned_change import PlannedProductChange, PriceMove
from billing.subscriptions.change_plans import ChangeTime, Proration
from common.admin import columns, dialogs, fields
from common.admin.actors import actor

MAX_HOLDERS = 5000
"""Holders that are counted while an operator waits for the page."""
AS_IT_IS = ("", "As it is")
WHEN = ((ChangeTime.RENEWAL.value, "With their next period"), (ChangeTime.NOW.value, "Now"))
PRORATION = (
    AS_IT_IS,
    (Proration.INVOICE.value, "Billed at once"),
    (Proration.LATER.value, "Billed with the next invoice"),
    (Proration.NONE.value, "Not billed"),
)


class PreviewedFeaturesForm(FeaturesForm):
    """``previewed`` is the fingerprint of the features whose impact was shown."""

    form_after_template = "console/figures.html"
    previewed = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.figures: list[object] = []

    @property
    def fingerprint(self) -> str:
        assert self.product is not None
        values = sorted(
            (feature.code, repr(value)) for feature, value in self.cleaned_data["features"]
        )
        content = repr([self.product.pk, self.product.catalog_version, values])
        return hashlib.sha256(content.encode()).hexdigest()

    def is_previewed(self) -> bool:
        """Whether the impact of these features was shown; if not, the form now shows it.

        True for a product without holders. Raises Invalid.
        """
        if self.cleaned_data["previewed"] == self.fingerprint:
            return True
        assert self.product is not None
        proposed = change_impact.propose_product(
            product=self.product, change=PlannedProductChange(features=self.entitlements)
        )
        impact = change_impact.measure_impact(
            proposed=proposed, at=timezone.now(), max_holders=MAX_HOLDERS
        )
        if not impact.holders:
            return True
        self.figures = list(impact_sections.impact_sections(impact.as_json()))
        self.refill(previewed=self.fingerprint)
        return False

    @property
    def entitlements(self) -> tuple[ProductEntitlement, ...]:
        return tuple(
            ProductEntitlement(feature=feature.code, value=value)
            for feature, value in self.cleaned_data["features"]
        )

    def get_after_template_context(
        self, request: HttpRequest, object_id: int | str | None = None
    ) -> dict[str, Any]:
        return {"sections": self.figures}


class PlanForm(FeaturesForm):
    refund_policy = fields.choice((AS_IT_IS, *RefundPolicy.choices), required=False)
    dispute_policy = fields.choice((AS_IT_IS, *DisputePolicy.choices), required=False)
    from_price = fields.choice(label="Move subscriptions from", required=False)
    to_price = fields.choice(label="To", required=False)
    when = fields.choice(WHEN, required=False)
    proration = fields.choice(
        PRORATION, required=False, label="The difference of the current period"
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.product is None:
            return
        rows = catalog.prices(project=self.product.project_id, price_type="recurring")
        choices = [
            (row.pk, f"{row.product.name}: {row} ({row.nickname or row.pk})", row)
            for row in rows.select_related("product").order_by("product__name", "pk")[:500]
        ]
        own = [(key, name) for key, name, row in choices if row.product_id == self.product.pk]
        offered = [(key, name) for key, name, row in choices if row.active]
        self.fields["from_price"].choices = [("", "Nobody moves"), *own]
        self.fields["to_price"].choices = [("", columns.EMPTY), *offered]

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if bool(data.get("from_price")) != bool(data.get("to_price")):
            self.add_error("to_price", "Name both prices, or none.")
        return data

    @property
    def change(self) -> PlannedProductChange:
        data = self.cleaned_data
        assert self.product is not None
        new_values = {feature.code: value for feature, value in data["features"]}
        current_values = {row.feature.code: row.value for row in self.product.features.all()}
        is_same = repr(sorted(new_values.items())) == repr(sorted(current_values.items()))
        return PlannedProductChange(
            features=None
            if is_same
            else tuple(
                ProductEntitlement(feature=code, value=value) for code, value in new_values.items()
            ),
            refund_policy=data["refund_policy"] or None,
            dispute_policy=data["dispute_policy"] or None,
            move=self._move(data),
        )

    def _move(self, data: dict[str, Any]) -> PriceMove | None:
        if not data["from_price"]:
            return None
        when = ChangeTime(data["when"] or ChangeTime.RENEWAL.value)
        return PriceMove(
            from_price=data["from_price"],
            to_price=data["to_price"],
            when=when,
            proration=Proration(data["proration"]) if data["proration"] else None,
        )


PLAN = dialogs.describe(
    "Plan a change",
    "Shows the impact on all holders of the product. Nothing is changed yet.",
    submit="Show the impact",
    form=PlanForm,
)


def plan(request: HttpRequest, form: PlanForm, product: Product) -> HttpResponse:
    """Save the planned change with its impact and show it."""

    def act() -> HttpResponse:
        rollout = rollouts.save(
            product=product,
            change=form.change,
            actor=actor(request),
            reason=form.cleaned_data["reason"],
            at=timezone.now(),
            max_holders=MAX_HOLDERS,
        )
        return dialogs.finish(request, "This is the impact.", to=columns.url(rollout))

    return dialogs.attempt(request, form, PLAN, act)
