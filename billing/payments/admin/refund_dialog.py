"""Give money back, on a payment's page, with a look at what access will change first."""

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

WHY = (
    ("", "None"),
    ("requested_by_customer", "Requested by the customer"),
    ("duplicate", "Duplicate"),
    ("fraudulent", "Fraudulent"),
)


class RefundForm(dialogs.Dialog):
    """How much. ``previewed`` is the fingerprint of what was sent when the effect was shown."""

    form_after_template = "console/effects.html"

    lines = fields.many(label="Lines", required=False)
    amount = fields.text(max_length=20, required=False)
    why = fields.choice(WHY, label="Reason for Stripe", required=False)
    credited_too = fields.flag(label="Also what is on the balance already")
    previewed = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.effects: list[dict[str, object]] = []
        rows = Payment.objects.across_projects().select_related("customer", "checkout", "account")
        self.payment = rows.filter(pk=self.row_key).first()
        if self.payment is not None:
            left = Money(refunds.refundable(self.payment), self.payment.currency)
            self.fields["amount"].help_text = f"Empty: all that is left, {left}."
            self._offer_credited(self.payment)
        self._offer_lines(refund_lines.offers(self.payment) if self.payment is not None else [])

    def _offer_credited(self, payment: Payment) -> None:
        """Ask about money that a change of plan has put on the customer's balance, if any."""
        credited = Money(balance_credits.of_payment(payment), payment.currency)
        if credited.amount:
            told = f"{credited} of it were credited when the subscription changed."
            self.fields["credited_too"].help_text = told
        else:
            del self.fields["credited_too"]

    def _offer_lines(self, offers: list[RefundableLine]) -> None:
        """Let lines be chosen where there are several, each for all that is left of it."""
        self.left = {each.line.pk: each.left for each in offers if each.left}
        if len(offers) < 2 or not self.left:
            del self.fields["lines"]
            return
        field = self.fields["lines"]
        field.choices = [(each.line.pk, _line(each)) for each in offers if each.left]
        field.help_text = "What is left of each is given back, and only its access ends."

    def clean(self) -> dict[str, Any]:
        said: dict[str, Any] = super().clean() or self.cleaned_data
        if said.get("lines") and said.get("amount") is not None:
            self.add_error("amount", "Choose lines, or type an amount.")
        return said

    @property
    def chosen(self) -> list[LineRefundRequest]:
        return [LineRefundRequest(line=each) for each in self.cleaned_data.get("lines") or ()]

    def clean_amount(self) -> int | None:
        """Minor units; None for all that is left."""
        typed = self.cleaned_data["amount"].strip()
        if not typed or self.payment is None:
            return None
        return _minor_units(typed, self.payment.currency)

    @property
    def money(self) -> Money:
        """What is given back if the form is sent."""
        assert self.payment is not None
        amount = self.cleaned_data["amount"]
        if self.chosen:
            amount = sum(self.left[each.line] for each in self.chosen)
        left = refunds.refundable(self.payment)
        return Money(left if amount is None else amount, self.payment.currency)

    @property
    def fingerprint(self) -> str:
        payment, said = self.payment, self.cleaned_data
        assert payment is not None
        money = [payment.amount_refunded, payment.amount_disputed]
        parts = [payment.pk, payment.customer.version, *money, said["amount"]]
        parts += [said.get("credited_too", False), sorted(said.get("lines") or ())]
        return hashlib.sha256(repr(parts).encode()).hexdigest()

    def preview(self) -> None:
        """Show what sending the form once more will change."""
        assert self.payment is not None
        refund: dict[str, Any] = {
            "payment": self.payment,
            "refund": RefundedMoney(
                amount=self.money.amount,
                lines={each.line: self.left[each.line] for each in self.chosen},
            ),
            "at": timezone.now(),
        }
        self.effects = decisions.change_rows(refund_effects.of_refund(**refund))
        self.effects += [_credits(each) for each in credit_effects.of_refund(**refund)]
        self.refill(previewed=self.fingerprint)

    def get_after_template_context(
        self, request: HttpRequest, object_id: int | str | None = None
    ) -> dict[str, Any]:
        return {"effects": self.effects}


REFUND = dialogs.describe(
    "Refund",
    "Stripe gives the money back to whatever it came from. Access follows each product's policy.",
    submit="Show what will change",
    form=RefundForm,
    keep="Give nothing back",
    has_preview=True,
)


def refund(request: HttpRequest, form: RefundForm) -> HttpResponse:
    """First the form, then the form with its effects, then the act."""
    if form.cleaned_data["previewed"] != form.fingerprint:
        form.preview()
        return dialogs.confirm(request, form, REFUND, submit=f"Refund {form.money}")
    return dialogs.attempt(request, form, REFUND, lambda: _act(request, form))


def _line(offer: RefundableLine) -> str:
    """``2 × Export: 120.00 USD left``."""
    line, left = offer.line, Money(offer.left, offer.line.price.currency)
    return f"{line.quantity} × {line.price.product.name}: {left} left"


def _credits(effect: CreditEffect) -> dict[str, object]:
    """A row beside those of features."""
    beyond = f", {effect.overspent} spent beyond what is due" if effect.overspent else ""
    return {
        "feature": f"credits of {effect.grant.pk}",
        "before": f"{effect.before} to spend",
        "after": f"{effect.after} to spend{beyond}",
        "changes": effect.is_change,
    }


def _act(request: HttpRequest, form: RefundForm) -> HttpResponse:
    payment, said = form.payment, form.cleaned_data
    assert payment is not None
    made = refunds.refund(
        payment=payment,
        request=RefundRequest(
            amount=said["amount"],
            lines=form.chosen,
            credited_too=said.get("credited_too", False),
            reason=said["why"],
        ),
        idempotency_key=said["previewed"],
        actor=actor(request),
        note=said["reason"],
        at=timezone.now(),
    )
    money = Money(made.amount, made.currency)
    return dialogs.finish(request, f"{money} go back: {made.pk}.", to=columns.url(payment))


def _minor_units(typed: str, currency: str) -> int:
    """``12.50`` as 1250, by the currency's digits; nothing is rounded."""
    digits = exponent(currency) or 0
    whole, point, fraction = typed.partition(".")
    if not (whole + fraction).isascii() or not (whole + fraction).isdigit():
        raise ValidationError("An amount such as 12.50.")
    if point and len(fraction) != digits:
        raise ValidationError(f"{currency.upper()} has {digits} digits after the point.")
    amount: int = int(whole or "0") * 10**digits + int(fraction or "0")
    if amount == 0:
        raise ValidationError("More than nothing.")
    return amount
