"""Plan a change of a product for everybody who holds it, and look before its features are set."""

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
from billing.rollouts.admin import figures as rollout_figures
from billing.rollouts.planned_change import Move, Terms
from billing.subscriptions.change_plans import Proration, When
from common.admin import columns, dialogs, fields
from common.admin.actors import actor

MOST = 5000
"""Holders that are looked at while somebody waits for the page."""
AS_IT_IS = ("", "As it is")
WHEN = ((When.RENEWAL.value, "With their next period"), (When.NOW.value, "Now"))
PRORATION = (
    AS_IT_IS,
    (Proration.INVOICE.value, "Billed at once"),
    (Proration.LATER.value, "Billed with the next invoice"),
    (Proration.NONE.value, "Not billed"),
)


class LookedAtForm(FeaturesForm):
    """``previewed`` is the fingerprint of what was sent when the figures were shown."""

    form_after_template = "console/figures.html"
    previewed = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.figures: list[object] = []

    @property
    def fingerprint(self) -> str:
        assert self.product is not None
        wanted = sorted(
            (feature.code, repr(value)) for feature, value in self.cleaned_data["features"]
        )
        said = repr([self.product.pk, self.product.catalog_version, wanted])
        return hashlib.sha256(said.encode()).hexdigest()

    def was_looked_at(self) -> bool:
        """Whether these very features were looked at; else the form now shows what they come to.

        A product that nobody holds needs no look. Raises Invalid.
        """
        if self.cleaned_data["previewed"] == self.fingerprint:
            return True
        assert self.product is not None
        prospect = change_impact.prospect(product=self.product, terms=Terms(features=self.wanted))
        figures = change_impact.look(prospect=prospect, at=timezone.now(), most=MOST)
        if not figures.holders:
            return True
        self.figures = list(rollout_figures.sections(figures.as_json()))
        self.refill(previewed=self.fingerprint)
        return False

    @property
    def wanted(self) -> tuple[ProductEntitlement, ...]:
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
    proration = fields.choice(PRORATION, required=False, label="The running period’s difference")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.product is None:
            return
        rows = catalog.prices(project=self.product.project_id, price_type="recurring")
        named = [
            (row.pk, f"{row.product.name}: {row} ({row.nickname or row.pk})", row)
            for row in rows.select_related("product").order_by("product__name", "pk")[:500]
        ]
        own = [(key, name) for key, name, row in named if row.product_id == self.product.pk]
        offered = [(key, name) for key, name, row in named if row.active]
        self.fields["from_price"].choices = [("", "Nobody moves"), *own]
        self.fields["to_price"].choices = [("", columns.EMPTY), *offered]

    def clean(self) -> dict[str, Any]:
        said: dict[str, Any] = super().clean() or self.cleaned_data
        if bool(said.get("from_price")) != bool(said.get("to_price")):
            self.add_error("to_price", "Name both prices, or none.")
        return said

    @property
    def terms(self) -> Terms:
        said = self.cleaned_data
        assert self.product is not None
        wanted = {feature.code: value for feature, value in said["features"]}
        given = {each.feature.code: each.value for each in self.product.features.all()}
        is_same = repr(sorted(wanted.items())) == repr(sorted(given.items()))
        return Terms(
            features=None
            if is_same
            else tuple(
                ProductEntitlement(feature=code, value=value) for code, value in wanted.items()
            ),
            refund_policy=said["refund_policy"] or None,
            dispute_policy=said["dispute_policy"] or None,
            move=self._move(said),
        )

    def _move(self, said: dict[str, Any]) -> Move | None:
        if not said["from_price"]:
            return None
        when = When(said["when"] or When.RENEWAL.value)
        return Move(
            from_price=said["from_price"],
            to_price=said["to_price"],
            when=when,
            proration=Proration(said["proration"]) if said["proration"] else None,
        )


PLAN = dialogs.describe(
    "Plan a change",
    "Shows what it comes to for everybody who holds the product. Nothing is changed yet.",
    submit="Show what it comes to",
    form=PlanForm,
)


def plan(request: HttpRequest, form: PlanForm, product: Product) -> HttpResponse:
    """Keep what is planned with its figures, and show it."""

    def act() -> HttpResponse:
        made = rollouts.save(
            product=product,
            terms=form.terms,
            actor=actor(request),
            reason=form.cleaned_data["reason"],
            at=timezone.now(),
            most=MOST,
        )
        return dialogs.finish(request, "This is what it comes to.", to=columns.url(made))

    return dialogs.attempt(request, form, PLAN, act)
