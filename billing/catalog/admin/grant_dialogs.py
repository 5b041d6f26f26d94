"""Dialogs of the customer page that grant or deny access, with a preview of the effect."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from billing.catalog import product_grants
from billing.catalog.product_grants import GrantRequest, GrantSubject
from billing.models import Product
from common.admin import columns, dialogs, fields
from common.admin.actors import actor
from entitlements.decisions.admin import decisions
from entitlements.decisions.selectors import previews
from entitlements.features.admin import values
from entitlements.models import Feature
from entitlements.models.fact import Effect
from projects.customers.admin.panels import CustomerAction
from projects.models import Customer

FEATURE, PRODUCT = "feature:", "product:"


class GrantForm(dialogs.Dialog):
    """The grant. ``previewed`` is the fingerprint of the values whose effect was shown."""

    form_after_template = "console/effects.html"
    effect = Effect.ALLOW

    what = fields.choice(label="What")
    value = fields.text(max_length=2048, required=False, help_text=values.HELP)
    starts_at = fields.moment(label="Starts", help_text="Empty: now.")
    expires_at = fields.moment(label="Expires", help_text="Empty: until an operator ends it.")
    previewed = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, customer: Customer, **kwargs: Any) -> None:
        self.customer = customer
        self.effects: list[dict[str, object]] = []
        self.features = {
            row.code: row
            for row in Feature.objects.for_project(customer.project_id).order_by("code")
        }
        products = Product.objects.for_project(customer.project_id).order_by("name")
        self.products = {row.pk: row for row in products.prefetch_related("features__feature")}
        super().__init__(*args, **kwargs)
        self.fields["what"].choices = self._choices()

    def _choices(self) -> list[tuple[str, Any]]:
        features = [
            (f"{FEATURE}{row.code}", f"{row.code}, {row.get_kind_display().lower()}")
            for row in self.features.values()
            if row.archived_at is None or self.effect == Effect.DENY
        ]
        products = [
            (f"{PRODUCT}{row.pk}", row.name) for row in self.products.values() if row.features.all()
        ]
        groups = [("One feature", features), ("All features of a product", products)]
        return [("", "Choose…"), *(group for group in groups if group[1])]

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if "what" in data:
            try:
                data["features"], data["subject"] = self._resolve(data)
            except ValidationError as error:
                self.add_error("value", error)
        return data

    def _resolve(self, data: dict[str, Any]) -> tuple[list[tuple[Feature, Any]], GrantSubject]:
        what: str = data["what"]
        if what.startswith(PRODUCT):
            product = self.products[what.removeprefix(PRODUCT)]
            granted = [(row.feature, row.value) for row in product.features.all()]
            return granted, GrantSubject(product_id=product.pk)
        feature = self.features[what.removeprefix(FEATURE)]
        if self.effect == Effect.DENY:
            return [(feature, None)], GrantSubject(feature=feature.code)
        value = values.parse_value(data.get("value") or "", kind=feature.kind)
        return [(feature, value)], GrantSubject(feature=feature.code, value=value)

    @property
    def fingerprint(self) -> str:
        data = self.cleaned_data
        parts = [data["what"], data.get("value"), data["starts_at"], data["expires_at"]]
        return hashlib.sha256(repr([self.customer.version, *parts]).encode()).hexdigest()

    def preview(self, at: datetime) -> None:
        """Compute the effect of the grant and show it with the form."""
        changes = previews.of_grant(
            customer=self.customer,
            features=self.cleaned_data["features"],
            effect=self.effect,
            starts_at=self.cleaned_data["starts_at"] or at,
            expires_at=self.cleaned_data["expires_at"],
        )
        self.effects = decisions.change_rows(changes)
        self.refill(previewed=self.fingerprint)

    def get_after_template_context(
        self, request: HttpRequest, object_id: int | str | None = None
    ) -> dict[str, Any]:
        return {"effects": self.effects}


class DenyForm(GrantForm):
    effect = Effect.DENY
    value = None  # type: ignore[assignment]  # Django's way to leave an inherited field out


GRANT = dialogs.describe(
    "Grant access",
    "Gives a feature, or all features of a product, without a purchase.",
    submit="Show what will change",
)
DENY = dialogs.describe(
    "Take access away",
    "It wins over every source of the feature until it ends.",
    submit="Show what will change",
    keep="Leave access as it is",
    has_preview=True,
)


def grant(request: HttpRequest, customer: Customer) -> HttpResponse:
    return _decide(request, customer, GrantForm, GRANT, "Grant access")


def deny(request: HttpRequest, customer: Customer) -> HttpResponse:
    return _decide(request, customer, DenyForm, DENY, "Take access away")


def _decide(
    request: HttpRequest,
    customer: Customer,
    form_class: type[GrantForm],
    dialog: dict[str, Any],
    submit: str,
) -> HttpResponse:
    """Show the form, then the form with the effect, then grant or deny."""
    data = request.POST if request.method == "POST" else None
    form = form_class(request, customer.pk, data, customer=customer)
    if not form.is_valid():
        return dialogs.reopen(request, form, dialog)
    if form.cleaned_data["previewed"] != form.fingerprint:
        form.preview(timezone.now())
        return dialogs.confirm(request, form, dialog, submit=submit)
    return dialogs.attempt(request, form, dialog, lambda: _act(request, customer, form))


def _act(request: HttpRequest, customer: Customer, form: GrantForm) -> HttpResponse:
    data = form.cleaned_data
    grant_request = GrantRequest(
        user_id=customer.user_id,
        subject=data["subject"],
        effect=form.effect,
        reason=data["reason"],
        starts_at=data["starts_at"],
        expires_at=data["expires_at"],
    )
    row = product_grants.decide(
        project=customer.project, request=grant_request, actor=actor(request), at=timezone.now()
    )
    return dialogs.finish(request, f"Done: {row.pk}.", to=columns.url(customer))


ACTS: Sequence[CustomerAction] = [
    CustomerAction("grant", "Grant access", "add_circle", "entitlements.add_grant", grant),
    CustomerAction("deny", "Take access away", "block", "entitlements.add_grant", deny),
]
