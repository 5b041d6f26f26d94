"""The refund dialog of a payment's page. It previews the change of access before it refunds."""

import hashlib
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from billing.access.line_shares import RefundedMoney
from billing.models import Payment
from billing.payments import credit_effects, refund_effects, refund_lines, refunds
from billing.payments.credit_effects import CreditEffect
from billing.payments.refund_lines import LineRefundRequest, RefundableLine
from billing.payments.refunds import RefundRequest
from billing.payments.selectors import balance_credits
from common.admin import columns, dialogs, fields
from common.admin.actors import actor
from common.currencies import exponent
from common.money import Money
from entitlements.decisions.admin import decisions

REFUND_REASONS = (
    ("", "None"),
    ("requested_by_customer", "Requested by the customer"),
    ("duplicate", "Duplicate"),
    ("fraudulent", "Fraudulent"),
)


class RefundForm(dialogs.Dialog):
    """The amount or lines to refund. ``previewed`` is the fingerprint of the previewed values."""

    form_after_template = "console/effects.html"

    lines = fields.many(label="Lines", required=False)
    amount = fields.text(max_length=20, required=False)
    why = fields.choice(REFUND_REASONS, label="Reason for Stripe", required=False)
    credited_too = fields.flag(label="Also refund money that was credited to the balance")
    previewed = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.effects: list[dict[str, object]] = []
        rows = Payment.objects.across_projects().select_related("customer", "checkout", "account")
        self.payment = rows.filter(pk=self.row_key).first()
        if self.payment is not None:
            left = Money(refunds.refundable_amount(self.payment), self.payment.currency)
            self.fields["amount"].help_text = f"Leave empty to refund all that is left: {left}."
            self._offer_credited(self.payment)
        self._offer_lines(
            refund_lines.list_refundable(self.payment) if self.payment is not None else []
        )

    def _offer_credited(self, payment: Payment) -> None:
        """Show ``credited_too`` if a plan change has credited money to the customer's balance."""
        credited = Money(balance_credits.sum_credited(payment), payment.currency)
        if credited.amount:
            field = self.fields["credited_too"]
            field.help_text = (
                f"{credited} of this payment were credited when the subscription changed."
            )
        else:
            del self.fields["credited_too"]

    def _offer_lines(self, refundable_lines: list[RefundableLine]) -> None:
        """Show ``lines`` if the payment has two or more. A chosen line is refunded in full."""
        open_lines = [refundable for refundable in refundable_lines if refundable.amount_left]
        self.amounts_left = {
            refundable.line.pk: refundable.amount_left for refundable in open_lines
        }
        if len(refundable_lines) < 2 or not open_lines:
            del self.fields["lines"]
            return
        field = self.fields["lines"]
        field.choices = [(line.line.pk, _line_label(line)) for line in open_lines]
        field.help_text = "Refunds all that is left of each chosen line; only its access ends."

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        if values.get("lines") and values.get("amount") is not None:
            self.add_error("amount", "Choose lines or type an amount, not both.")
        return values

    @property
    def line_requests(self) -> list[LineRefundRequest]:
        line_ids = self.cleaned_data.get("lines") or ()
        return [LineRefundRequest(line=line_id) for line_id in line_ids]

    def clean_amount(self) -> int | None:
        """Return minor units; None refunds all that is left."""
        text = self.cleaned_data["amount"].strip()
        if not text or self.payment is None:
            return None
        return _parse_minor_units(text, self.payment.currency)

    @property
    def money(self) -> Money:
        """The amount that submitting the form refunds."""
        assert self.payment is not None
        amount = self.cleaned_data["amount"]
        if self.line_requests:
            amount = sum(self.amounts_left[each.line] for each in self.line_requests)
        left = refunds.refundable_amount(self.payment)
        return Money(left if amount is None else amount, self.payment.currency)

    @property
    def fingerprint(self) -> str:
        payment, values = self.payment, self.cleaned_data
        assert payment is not None
        money = [payment.amount_refunded, payment.amount_disputed]
        parts = [payment.pk, payment.customer.version, *money, values["amount"]]
        parts += [values.get("credited_too", False), sorted(values.get("lines") or ())]
        return hashlib.sha256(repr(parts).encode()).hexdigest()

    def preview(self) -> None:
        """Compute the effects to show, and remember which values they were computed for."""
        assert self.payment is not None
        refund: dict[str, Any] = {
            "payment": self.payment,
            "refund": RefundedMoney(
                amount=self.money.amount,
                lines={each.line: self.amounts_left[each.line] for each in self.line_requests},
            ),
            "at": timezone.now(),
        }
        self.effects = decisions.change_rows(refund_effects.preview_decisions(**refund))
        self.effects += [_credit_row(each) for each in credit_effects.preview_credits(**refund)]
        self.refill(previewed=self.fingerprint)

    def get_after_template_context(
        self, request: HttpRequest, object_id: int | str | None = None
    ) -> dict[str, Any]:
        return {"effects": self.effects}


REFUND = dialogs.describe(
    "Refund",
    "Stripe refunds to the payment method that was charged. Each product's refund policy decides "
    "about its access.",
    submit="Show what will change",
    form=RefundForm,
    keep="Do not refund",
    has_preview=True,
)


def handle_refund(request: HttpRequest, form: RefundForm) -> HttpResponse:
    """Show the effects of the form's values first; refund when the same values come again."""
    if form.cleaned_data["previewed"] != form.fingerprint:
        form.preview()
        return dialogs.confirm(request, form, REFUND, submit=f"Refund {form.money}")
    return dialogs.attempt(request, form, REFUND, lambda: _create_refund(request, form))


def _line_label(refundable_line: RefundableLine) -> str:
    """``2 × Export: 120.00 USD left``."""
    line, left = (
        refundable_line.line,
        Money(refundable_line.amount_left, refundable_line.line.price.currency),
    )
    return f"{line.quantity} × {line.price.product.name}: {left} left"


def _credit_row(effect: CreditEffect) -> dict[str, object]:
    """Return the credit grant's effect in the shape of a feature's row."""
    overspent = f", {effect.overspent} overspent" if effect.overspent else ""
    return {
        "feature": f"credits of {effect.grant.pk}",
        "before": f"{effect.before} to spend",
        "after": f"{effect.after} to spend{overspent}",
        "changes": effect.is_change,
    }


def _create_refund(request: HttpRequest, form: RefundForm) -> HttpResponse:
    payment, values = form.payment, form.cleaned_data
    assert payment is not None
    row = refunds.create(
        payment=payment,
        request=RefundRequest(
            amount=values["amount"],
            lines=form.line_requests,
            credited_too=values.get("credited_too", False),
            reason=values["why"],
        ),
        idempotency_key=values["previewed"],
        actor=actor(request),
        note=values["reason"],
        at=timezone.now(),
    )
    money = Money(row.amount, row.currency)
    return dialogs.finish(request, f"Refunded {money}: {row.pk}.", to=columns.url(payment))


def _parse_minor_units(text: str, currency: str) -> int:
    """Parse ``12.50`` as 1250, by the currency's number of digits. Never rounds.

    Raises ValidationError for anything else than a positive amount.
    """
    digits = exponent(currency) or 0
    whole, point, fraction = text.partition(".")
    if not (whole + fraction).isascii() or not (whole + fraction).isdigit():
        raise ValidationError("Type an amount such as 12.50.")
    if point and len(fraction) != digits:
        raise ValidationError(f"{currency.upper()} has {digits} digits after the point.")
    amount: int = int(whole or "0") * 10**digits + int(fraction or "0")
    if amount == 0:
        raise ValidationError("Type an amount above zero.")
    return amount
