"""Everything that is known of a person goes; what was bought, paid and used stays in the books.

Amounts, times, states and ids of payments, invoices, refunds, credits and usage are kept under our
id of the customer, as the law on bookkeeping asks. Whatever people wrote is taken out of every row
that is the customer's. An app above this one registers what it keeps of them itself.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from billing.models import (
    Cart,
    Checkout,
    CreditNote,
    Dispute,
    EarlyFraudWarning,
    Invoice,
    Payment,
    Refund,
    StripeCustomer,
    StripeIntent,
    Subscription,
)
from entitlements.grants import erasure as entitlements
from events.services import audit
from projects.customers import service as customers
from projects.models import Customer

TEXTS: tuple[tuple[Any, str, dict[str, Any]], ...] = (
    (StripeCustomer, "customer", {"email": "", "name": ""}),
    (Cart, "customer", {"metadata": {}}),
    (Checkout, "customer", {"metadata": {}, "url": "", "success_url": "", "cancel_url": ""}),
    (Payment, "customer", {"metadata": {}, "description": "", "failure_message": ""}),
    (Refund, "payment__customer", {"metadata": {}}),
    (Subscription, "customer", {"metadata": {}}),
    (Invoice, "customer", {}),
    (Dispute, "payment__customer", {}),
    (EarlyFraudWarning, "payment__customer", {}),
    (CreditNote, "invoice__customer", {}),
)
"""Whose rows are the customer's, by which way, and what is written there by people."""


@dataclass(frozen=True, slots=True)
class Traces:
    """Where a person may be found: ids of our rows about them, and of Stripe's objects."""

    rows: frozenset[str]
    stripe_ids: frozenset[str]


Forget = Callable[[Traces, datetime], None]
_also: list[Forget] = []


def register(forget: Forget) -> None:
    """Call this too when a customer is erased, in the same transaction."""
    _also.append(forget)


def forget(*, customer: Customer, at: datetime) -> Customer:
    """Take the person out of everything that is kept of a locked customer; the erased customer."""
    person = customers.person_of(customer)
    found = traces(customer)
    for rows, texts in _owned(customer):
        if texts:
            rows.update(**texts)
    entitlements.erase_reasons(customer=customer)
    asked = StripeIntent.objects.for_project(customer.project_id).filter(subject__in=found.rows)
    asked.filter(finished_at__isnull=False).update(params={}, last_error="")
    audit.forget(project_id=customer.project_id, subjects=found.rows, person=person)
    for each in _also:
        each(found, at)
    return customers.erase(customer=customer, at=at)


def traces(customer: Customer) -> Traces:
    """Everything that is the customer's, by id."""
    rows, stripe_ids = {customer.pk, *entitlements.ids_of_customer(customer)}, set()
    for owned, _ in _owned(customer):
        for pk, stripe_id in owned.values_list("pk", "stripe_id" if _is_mirror(owned) else "pk"):
            rows.add(pk)
            stripe_ids.add(stripe_id)
    payments = Payment.objects.for_project(customer.project_id).filter(customer=customer)
    stripe_ids |= {*payments.values_list("invoice_stripe_id", flat=True)}
    return Traces(frozenset(rows), frozenset(filter(None, stripe_ids)))


def _owned(customer: Customer) -> Iterator[tuple[QuerySet[Any], dict[str, Any]]]:
    for model, way, texts in TEXTS:
        yield model.objects.for_project(customer.project_id).filter(**{way: customer}), texts


def _is_mirror(rows: QuerySet[Any]) -> bool:
    return any(field.name == "stripe_id" for field in rows.model._meta.concrete_fields)
