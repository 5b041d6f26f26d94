"""Erase the personal data of a customer; records of purchases, payments and usage stay.

Amounts, times, states and ids of payments, invoices, refunds, credits and usage are kept under our
id of the customer, as bookkeeping law requires. Texts written by people are removed from all rows
of the customer. An app above this one registers a function that erases its own data.
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
from events.audit import audit_trail as audit
from projects.customers import service as customers
from projects.models import Customer

PERSONAL_FIELDS: tuple[tuple[Any, str, dict[str, Any]], ...] = (
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
"""Models with rows of a customer, the path to the customer, and empty values of personal fields."""


@dataclass(frozen=True, slots=True)
class CustomerTraces:
    """Ids of our rows and of Stripe's objects that may hold data of a customer."""

    rows: frozenset[str]
    stripe_ids: frozenset[str]


ForgetFunction = Callable[[CustomerTraces, datetime], None]
_registered: list[ForgetFunction] = []


def register(forget: ForgetFunction) -> None:
    """Register a function to call when a customer is erased, in the same transaction."""
    _registered.append(forget)


def forget(*, customer: Customer, at: datetime) -> Customer:
    """Erase all personal data of a locked customer; returns the erased customer."""
    person = customers.person_of(customer)
    traces = find_traces(customer)
    for rows, texts in _owned_rows(customer):
        if texts:
            rows.update(**texts)
    entitlements.erase_reasons(customer=customer)
    intents = StripeIntent.objects.for_project(customer.project_id).filter(subject__in=traces.rows)
    intents.filter(finished_at__isnull=False).update(params={}, last_error="")
    audit.forget(project_id=customer.project_id, subjects=traces.rows, person=person)
    for forget_function in _registered:
        forget_function(traces, at)
    return customers.erase(customer=customer, at=at)


def find_traces(customer: Customer) -> CustomerTraces:
    """The ids of all rows and Stripe objects of the customer."""
    rows, stripe_ids = {customer.pk, *entitlements.ids_of_customer(customer)}, set()
    for owned, _ in _owned_rows(customer):
        for pk, stripe_id in owned.values_list("pk", "stripe_id" if _is_mirror(owned) else "pk"):
            rows.add(pk)
            stripe_ids.add(stripe_id)
    payments = Payment.objects.for_project(customer.project_id).filter(customer=customer)
    stripe_ids |= {*payments.values_list("invoice_stripe_id", flat=True)}
    return CustomerTraces(frozenset(rows), frozenset(filter(None, stripe_ids)))


def _owned_rows(customer: Customer) -> Iterator[tuple[QuerySet[Any], dict[str, Any]]]:
    for model, way, texts in PERSONAL_FIELDS:
        yield model.objects.for_project(customer.project_id).filter(**{way: customer}), texts


def _is_mirror(rows: QuerySet[Any]) -> bool:
    return any(field.name == "stripe_id" for field in rows.model._meta.concrete_fields)
