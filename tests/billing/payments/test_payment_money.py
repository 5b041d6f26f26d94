"""Payments accept every currency within its limits, and each status change records its event."""

from collections.abc import Iterable
from itertools import product
from typing import Any

from django.db import transaction
from django.utils import timezone

from billing.models import Payment, StripeAccount
from billing.models.sync_object import ObjectKind
from billing.stripe.snapshots import PaymentSnapshot
from billing.sync import apply
from common.api.serializers import ChargeSerializer
from common.currencies import EXPONENTS, max_amount, step
from common.money import MAX_AMOUNT, Money
from projects.models import Project
from sandbox.currencies import MINIMUM_CHARGE
from tests.billing import outbox_events
from tests.billing.payments.test_payments import calls, intent
from tests.billing.tenant import Tenant
from tests.factories.projects import CustomerFactory
from tests.transactions import rolled_back

TOO_FEW_OR_MANY = (0, -1, MAX_AMOUNT + 1)
NO_AMOUNTS: tuple[Any, ...] = (1.5, "100", None, True, [], 10**15)
SAMPLES = ("jpy", "krw", "usd", "ars", "kwd", "idr", "isk")
"""One currency of each number of digits, with and without a least amount at Stripe, and of those
with limits of their own."""


def test_amounts_have_the_limits_of_their_currency(tenant: Tenant) -> None:
    """Whole minor units go to Stripe as they came, whatever the number of digits.

    All currencies are tried at the gate and at Stripe, over HTTP only one of each kind.
    """
    stripe_calls = calls(tenant)
    for currency in EXPONENTS:
        wrong_amounts = {*TOO_FEW_OR_MANY, max_amount(currency) + 1, *_between_steps(currency)}
        assert set(_refused_at_the_gate(currency, wrong_amounts)) == wrong_amounts
    wrong = product((*TOO_FEW_OR_MANY, *NO_AMOUNTS), SAMPLES)
    for amount, currency in wrong:
        money = {"amount": amount, "currency": currency}
        assert tenant.api.post("/payments", intent(amount=money)).status_code == 422, money
    assert stripe_calls == []
    assert not Payment.objects.across_projects().exists()
    taken: list[tuple[str, int]] = []
    for currency, digits in EXPONENTS.items():
        least = MINIMUM_CHARGE.get(currency, 1)
        multiple = step(currency)
        largest = max_amount(currency) // multiple * multiple
        smallest = -(-least // multiple) * multiple
        edges = {multiple, smallest, largest}
        if currency not in SAMPLES:
            assert _refused_at_the_gate(currency, edges) == []
            tenant.stripe.v1.payment_intents.create({"amount": smallest, "currency": currency})
            edges, taken = set(), [*taken, (currency, smallest)]
        for amount in edges:
            money = {"amount": amount, "currency": currency}
            response = tenant.api.post("/payments", intent(amount=money))
            if amount < least:
                assert response.json()["stripe_code"] == "amount_too_small", money
                continue
            assert (response.status_code, response.json()["amount"]) == (201, money)
            taken.append((currency, amount))
        shown, _, code = str(Money(largest, currency)).partition(" ")
        assert (len(shown.partition(".")[2]), code) == (digits, currency.upper())
    assert set(stripe_calls) == {"POST /payment_intents"}
    at_stripe = tenant.at_stripe("payment_intent")
    assert sorted((each["currency"], each["amount"]) for each in at_stripe) == sorted(taken)


def _refused_at_the_gate(currency: str, amounts: Iterable[int]) -> list[int]:
    """Those of the amounts that are refused; the others go through as they came."""
    refused = []
    for amount in amounts:
        money = {"amount": amount, "currency": currency}
        gate = ChargeSerializer(data=money)
        if gate.is_valid():
            assert gate.validated_data == money
        else:
            refused.append(amount)
    return refused


def _between_steps(currency: str) -> list[int]:
    """Amounts that are no multiple of what the currency is charged in."""
    return [each * step(currency) + 1 for each in (0, 7)] if step(currency) > 1 else []


def test_unknown_currencies_are_refused(tenant: Tenant) -> None:
    for currency in ("xyz", "USD", "", "us", None, "xau"):
        refused = tenant.api.post("/payments", intent(amount={"amount": 1, "currency": currency}))
        assert refused.status_code == 422, currency
    assert tenant.at_stripe("payment_intent") == []


STATUSES: dict[tuple[str, str], tuple[str, str]] = {
    ("requires_payment_method", ""): ("pending", ""),
    ("requires_payment_method", "generic_decline"): ("failed", "payment.failed"),
    ("requires_payment_method", "authentication_required"): (
        "requires_action",
        "payment.requires_action",
    ),
    ("requires_confirmation", ""): ("pending", ""),
    ("requires_action", ""): ("requires_action", "payment.requires_action"),
    ("processing", ""): ("processing", "payment.processing"),
    ("a_word_of_tomorrow", ""): ("processing", "payment.processing"),
    ("succeeded", ""): ("paid", "payment.paid"),
    ("canceled", "requested_by_customer"): ("canceled", "payment.canceled"),
    ("canceled", "abandoned"): ("expired", "payment.expired"),
}
"""Stripe's status, with its failure or reason: ours, and the event of getting there."""
FINAL = {"paid", "canceled", "expired"}


def test_each_change_of_status_records_its_event(project: Project, account: StripeAccount) -> None:
    """What is told is what Stripe said last, once, from wherever it came."""
    customer = CustomerFactory.create(project=project, user_id="alice")
    for start, (first, _) in STATUSES.items():
        row = Payment.objects.create(
            project=project,
            account=account,
            customer=customer,
            type="intent",
            stripe_id=f"pi_{start}",
            currency="usd",
            amount=2900,
            expires_at=timezone.now(),
        )
        apply_status(row, start)
        before = len(outbox_events.events(project))
        for end, (second, event) in STATUSES.items():
            if first in FINAL and first != second:
                continue  # Stripe never goes there
            with rolled_back():
                for _ in range(2):
                    apply_status(row, end)
                event_types = outbox_events.types(project)[before:]
                if "payment.updated" in event_types:  # a code of the bank, without a new status
                    event_types.remove("payment.updated")
                assert event_types == ([event] if first != second and event else []), (start, end)
                row.refresh_from_db()
                assert row.status == second, (start, end)
                assert (row.paid_at is not None) == (second == "paid")
                assert (row.expired_at is not None) == (second == "expired")


def apply_status(row: Payment, word: tuple[str, str]) -> None:
    """Apply what Stripe might say of this payment."""
    status, why = word
    now = row.created_at
    snapshot = PaymentSnapshot(
        stripe_id=str(row.stripe_id),
        customer_stripe_id=None,
        status=status,
        currency="usd",
        amount=2900,
        amount_received=2900 if status == "succeeded" else 0,
        failure_code=why if status == "requires_payment_method" else "",
        failure_message="",
        paid_at=now if status == "succeeded" else None,
        refunds=(),
        canceled_at=now if status == "canceled" else None,
        cancellation_reason=why if status == "canceled" else "",
    )
    with transaction.atomic():
        apply.apply(
            account=row.account,
            kind=ObjectKind.PAYMENT_INTENT,
            stripe_id=snapshot.stripe_id,
            snapshot=snapshot,
            at=now,
        )
