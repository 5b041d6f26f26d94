"""Give or take access by hand, on a customer's page, with a look at what will change first."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from billing.catalog import product_grants
from billing.catalog.product_grants import Subject
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
    """What to give. ``previewed`` is the fingerprint of what was sent when the effect was shown."""

    form_after_template = "console/effects.html"
    effect = Effect.ALLOW

    what = fields.choice(label="What")
    value = fields.text(max_length=2048, required=False, help_text=values.HELP)
    starts_at = fields.moment(label="Starts", help_text="Empty: now.")
    expires_at = fields.moment(label="Expires", help_text="Empty: until somebody ends it.")
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
        groups = [("One feature", features), ("Everything that a product gives", products)]
        return [("", "Choose…"), *(group for group in groups if group[1])]

    def clean(self) -> dict[str, Any]:
        said: dict[str, Any] = super().clean() or {}
        if "what" in said:
            try:
                said["features"], said["subject"] = self._meaning(said)
            except ValidationError as error:
                self.add_error("value", error)
        return said

    def _meaning(self, said: dict[str, Any]) -> tuple[list[tuple[Feature, Any]], Subject]:
        what: str = said["what"]
        if what.startswith(PRODUCT):
            product = self.products[what.removeprefix(PRODUCT)]
            granted = [(each.feature, each.value) for each in product.features.all()]
            return granted, Subject(product_id=product.pk)
        feature = self.features[what.removeprefix(FEATURE)]
        if self.effect == Effect.DENY:
            return [(feature, None)], Subject(feature=feature.code)
        value = values.parse_value(said.get("value") or "", kind=feature.kind)
        return [(feature, value)], Subject(feature=feature.code, value=value)

    @property
    def fingerprint(self) -> str:
        said = self.cleaned_data
        parts = [said["what"], said.get("value"), said["starts_at"], said["expires_at"]]
        return hashlib.sha256(repr([self.customer.version, *parts]).encode()).hexdigest()

    def preview(self, at: datetime) -> None:
        """Show what sending the form once more will change."""
        found = previews.of_grant(
            customer=self.customer,
            features=self.cleaned_data["features"],
            effect=self.effect,
            starts_at=self.cleaned_data["starts_at"] or at,
            expires_at=self.cleaned_data["expires_at"],
        )
        self.effects = decisions.change_rows(found)
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
    "Gives a feature, or all that a product gives, whatever the customer has bought.",
    submit="Show what will change",
)
DENY = dialogs.describe(
    "Take access away",
    "Beats everything that gives the feature, until it is ended.",
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
    """First the form, then the form with its effects, then the act."""
    data = request.POST if request.method == "POST" else None
    form = form_class(request, customer.pk, data, customer=customer)
    if not form.is_valid():
        return dialogs.again(request, form, dialog)
    if form.cleaned_data["previewed"] != form.fingerprint:
        form.preview(timezone.now())
        return dialogs.confirm(request, form, dialog, submit=submit)
    return dialogs.attempt(request, form, dialog, lambda: _act(request, customer, form))


def _act(request: HttpRequest, customer: Customer, form: GrantForm) -> HttpResponse:
    said = form.cleaned_data
    made = product_grants.decide(
        project=customer.project,
        user_id=customer.user_id,
        subject=said["subject"],
        effect=form.effect,
        reason=said["reason"],
        actor=actor(request),
        at=timezone.now(),
        starts_at=said["starts_at"],
        expires_at=said["expires_at"],
    )
    return dialogs.finish(request, f"Done: {made.pk}.", to=columns.url(customer))


ACTS: Sequence[CustomerAction] = [
    CustomerAction("grant", "Grant access", "add_circle", "entitlements.add_grant", grant),
    CustomerAction("deny", "Take access away", "block", "entitlements.add_grant", deny),
]
