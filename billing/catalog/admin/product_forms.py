"""The dialogs that change a product."""

from dataclasses import asdict
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldBooleanSwitchWidget

from billing.catalog import product_credits
from billing.catalog.product_credits import MAX_AMOUNT, MAX_DAYS, ProductCredits
from billing.models import Product
from billing.models.product import DisputePolicy, RefundPolicy, RenewalPolicy
from common.admin import dialogs, fields
from entitlements.features.admin import values
from entitlements.models import Feature

EXAMPLE = (
    "One feature per line: code = value. A value is on, a whole number, unlimited, or JSON for a "
    "config."
)


class ProductForm(dialogs.Dialog):
    """A dialog whose fields start with the product's current values."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rows = Product.objects.across_projects().prefetch_related("features__feature")
        self.product = rows.filter(pk=self.row_key).first()
        if self.product is not None:
            self.initial |= self.current_values(self.product)

    def current_values(self, product: Product) -> dict[str, Any]:
        raise NotImplementedError


class ProductChangeForm(ProductForm):
    name = fields.text(max_length=250)
    description = fields.paragraph(required=False, max_length=2000)
    on_sale = forms.BooleanField(required=False, widget=UnfoldBooleanSwitchWidget())

    def current_values(self, product: Product) -> dict[str, Any]:
        return {
            "name": product.name,
            "description": product.description,
            "on_sale": product.active,
        }


class PoliciesForm(ProductForm):
    refund_policy = fields.choice(RefundPolicy.choices, label="After a refund, access…")
    dispute_policy = fields.choice(DisputePolicy.choices, label="During a dispute, access…")
    renewal_policy = fields.choice(
        RenewalPolicy.choices, label="Credits and quotas of a new period begin…"
    )

    def current_values(self, product: Product) -> dict[str, Any]:
        return {
            "refund_policy": product.refund_policy,
            "dispute_policy": product.dispute_policy,
            "renewal_policy": product.renewal_policy,
        }


class CreditsForm(ProductForm):
    amount = forms.IntegerField(
        min_value=0,
        max_value=MAX_AMOUNT,
        widget=UnfoldAdminIntegerFieldWidget(),
        help_text="For each unit of each period, or of each purchase. 0 for none.",
    )
    priority = forms.IntegerField(
        min_value=0,
        max_value=100,
        widget=UnfoldAdminIntegerFieldWidget(),
        help_text="0 to 100. The lowest number is spent first.",
    )
    expires_after_days = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=MAX_DAYS,
        widget=UnfoldAdminIntegerFieldWidget(),
        help_text=(
            "Empty: credits of a subscription expire with their period, bought credits never."
        ),
    )

    def current_values(self, product: Product) -> dict[str, Any]:
        return asdict(product_credits.of(product))

    @property
    def credits(self) -> ProductCredits:
        return ProductCredits(
            amount=self.cleaned_data["amount"],
            priority=self.cleaned_data["priority"],
            expires_after_days=self.cleaned_data["expires_after_days"],
        )


class FeaturesForm(ProductForm):
    features = fields.paragraph(required=False, rows=8, max_length=10_000, help_text=EXAMPLE)

    def current_values(self, product: Product) -> dict[str, Any]:
        lines = [
            f"{row.feature.code} = {values.format_value(row.value, kind=row.feature.kind)}"
            for row in product.features.all()
        ]
        return {"features": "\n".join(lines)}

    def clean_features(self) -> list[tuple[Feature, Any]]:
        """The features and values that the lines name."""
        assert self.product is not None
        rows = Feature.objects.for_project(self.product.project_id)
        features_by_code = {row.code: row for row in rows}
        current = {row.feature.code for row in self.product.features.all()}
        values_by_code: dict[str, tuple[Feature, Any]] = {}
        for line in filter(None, map(str.strip, self.cleaned_data["features"].splitlines())):
            code, _, text = (part.strip() for part in line.partition("="))
            feature = features_by_code.get(code)
            if feature is None or (feature.archived_at is not None and code not in current):
                raise ValidationError(f"{code}: the project has no such feature.")
            if code in values_by_code:
                raise ValidationError(f"{code} is named twice.")
            values_by_code[code] = feature, _value(code, text, feature)
        return list(values_by_code.values())


def _value(code: str, text: str, feature: Feature) -> Any:
    try:
        return values.parse_value(text, kind=feature.kind)
    except ValidationError as error:
        raise ValidationError(f"{code}: {' '.join(error.messages)}") from error
