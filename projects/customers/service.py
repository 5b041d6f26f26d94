"""Customers, the tenant's users: created on first use, described by the tenant."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.db import transaction

from common.erasure import Person
from common.errors import Conflict
from common.inserts import insert, insert_many
from common.queue import enqueue
from events.catalog import EventType
from events.log import outbox
from events.log.outbox import NewEvent
from projects import representation
from projects.customers import selectors as customers
from projects.models import Customer, Project


class CustomerExists(Conflict):
    code, title = "customer-exists", "There already is a customer with this user_id."


class CustomerDeleted(Conflict):
    code, title = "customer-deleted", "This customer was erased."


COPIED_FIELDS = frozenset({"email", "name"})
"""Fields that others, such as Stripe, hold copies of."""


def create(
    *,
    project: Project,
    user_id: str,
    at: datetime,
    email: str = "",
    name: str = "",
    locale: str = "",
    metadata: dict[str, str] | None = None,
) -> Customer:
    """A new customer. Raises CustomerExists when the project already has this user_id."""
    customer = Customer(
        project=project,
        user_id=user_id,
        email=email,
        name=name,
        locale=locale,
        metadata=metadata or {},
    )
    with transaction.atomic():
        if not insert(customer):
            raise CustomerExists("Change it with PATCH instead.")
        _record_event(EventType.CUSTOMER_CREATED, customer, at=at)
    return customer


def ensure(
    *,
    project: Project,
    user_id: str,
    at: datetime,
    email: str | None = None,
    name: str | None = None,
) -> Customer:
    """The customer with this user_id, created if needed; safe under concurrency.

    ``email`` and ``name`` fill empty fields and never replace the tenant's values. Raises
    CustomerDeleted for the ``cus_…`` id of an erased customer.
    """
    customer = customers.find(project=project, user_id=user_id)
    if customer is None:
        try:
            return create(
                project=project, user_id=user_id, at=at, email=email or "", name=name or ""
            )
        except CustomerExists:
            customer = customers.get(project=project, user_id=user_id)
    _check_not_deleted(customer)
    missing = {
        field: value
        for field, value in (("email", email), ("name", name))
        if value and not getattr(customer, field)
    }
    return update(customer=customer, changes=missing, at=at) if missing else customer


def ensure_ids(*, project: Project, user_ids: Collection[str], at: datetime) -> dict[str, str]:
    """Customer ids by what was asked for; unknown users get a customer.

    Erased customers are absent.
    """
    ids = customers.ids(project=project, user_ids=user_ids)
    unknown = sorted(user_id for user_id in user_ids if user_id not in ids)
    if unknown:
        ids |= _create_many(project=project, user_ids=unknown, at=at)
    return {name: customer_id for name, customer_id in ids.items() if customer_id is not None}


def _create_many(*, project: Project, user_ids: list[str], at: datetime) -> dict[str, str | None]:
    """Create the customers that are still unknown; returns the ids of all."""
    rows = [Customer(project=project, user_id=user_id) for user_id in user_ids]
    ids: dict[str, str | None] = {row.user_id: row.pk for row in rows}
    with transaction.atomic():
        if insert_many(rows) < len(rows):
            ids = customers.ids(project=project, user_ids=user_ids)
        outbox.record_many(
            project_id=project.pk,
            event_type=EventType.CUSTOMER_CREATED,
            events=[
                NewEvent(subject=row.pk, customer_id=row.pk, data=representation.customer(row))
                for row in rows
                if ids.get(row.user_id) == row.pk
            ],
            at=at,
        )
    return ids


def update(*, customer: Customer, changes: dict[str, Any], at: datetime) -> Customer:
    """Change these fields. Records no event when nothing differs.

    Raises CustomerDeleted.
    """
    with transaction.atomic():
        customer = customers.lock(project_id=customer.project_id, customer_id=customer.pk)
        _check_not_deleted(customer)
        previous = {
            field: getattr(customer, field)
            for field, value in changes.items()
            if getattr(customer, field) != value
        }
        if previous:
            for field in previous:
                setattr(customer, field, changes[field])
            if previous.keys() & COPIED_FIELDS:
                customer.details_changed_at = at
                enqueue("billing.tell_customers")
            customer.save(update_fields=[*previous, "details_changed_at", "updated_at"])
            _record_event(EventType.CUSTOMER_UPDATED, customer, at=at, previous=previous)
    return customer


def person_of(customer: Customer) -> Person:
    """The names by which the erased person can be found in stored texts."""
    names = tuple(filter(None, (customer.email, customer.name, *customer.metadata.values())))
    return Person(user_id=customer.user_id, pseudonym=customer.pk, names=names)


def erase(*, customer: Customer, at: datetime) -> Customer:
    """Erase a locked customer: only our id of it remains.

    Earlier events about the customer are rewritten without personal data.
    """
    outbox.forget(
        project_id=customer.project_id, customer_id=customer.pk, person=person_of(customer)
    )
    customer.user_id, customer.email, customer.name = customer.pk, "", ""
    customer.locale, customer.metadata = "", {}
    customer.deleted_at = customer.details_changed_at = at
    customers.raise_version(customer)
    customer.save()
    _record_event(EventType.CUSTOMER_DELETED, customer, at=at)
    return customer


def _check_not_deleted(customer: Customer) -> None:
    if customer.deleted_at is not None:
        raise CustomerDeleted("Use your own id of the user: it creates a new customer.")


def _record_event(
    event_type: EventType,
    customer: Customer,
    *,
    at: datetime,
    previous: dict[str, Any] | None = None,
) -> None:
    outbox.record(
        project_id=customer.project_id,
        event_type=event_type,
        subject=customer.pk,
        customer_id=customer.pk,
        version=customer.version,
        data=representation.customer(customer),
        previous=previous,
        at=at,
    )
