"""The tenants' users: made on first use, described by the tenant."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.db import transaction

from common.erasure import Person
from common.errors import Conflict
from common.inserts import insert, insert_many
from common.queue import enqueue
from events.catalog import EventType
from events.services import outbox
from projects import representation
from projects.customers import selectors as customers
from projects.models import Customer, Project


class CustomerExists(Conflict):
    code, title = "customer-exists", "There already is a customer with this user_id."


class CustomerDeleted(Conflict):
    code, title = "customer-deleted", "This customer was erased."


COPIED = frozenset({"email", "name"})
"""Of what others keep copies."""


def create(
    *,
    project: Project,
    user_id: str,
    at: datetime,
    email: str = "",
    name: str = "",
    metadata: dict[str, str] | None = None,
) -> Customer:
    """A new customer. Raises CustomerExists when the project already has this user_id."""
    customer = Customer(
        project=project, user_id=user_id, email=email, name=name, metadata=metadata or {}
    )
    with transaction.atomic():
        if not insert(customer):
            raise CustomerExists("Change it with PATCH instead.")
        _tell(EventType.CUSTOMER_CREATED, customer, at=at)
    return customer


def ensure(
    *,
    project: Project,
    user_id: str,
    at: datetime,
    email: str | None = None,
    name: str | None = None,
) -> Customer:
    """The customer with this user_id, made now if need be; safe under any concurrency.

    ``email`` and ``name`` fill what is still empty; they never replace what the tenant has said.
    Raises CustomerDeleted for our id of one who was erased.
    """
    customer = customers.find(project=project, user_id=user_id)
    if customer is None:
        try:
            return create(
                project=project, user_id=user_id, at=at, email=email or "", name=name or ""
            )
        except CustomerExists:
            customer = customers.get(project=project, user_id=user_id)
    _refuse_deleted(customer)
    missing = {
        field: value
        for field, value in (("email", email), ("name", name))
        if value and not getattr(customer, field)
    }
    return update(customer=customer, changes=missing, at=at) if missing else customer


def ensure_ids(*, project: Project, user_ids: Collection[str], at: datetime) -> dict[str, str]:
    """Our ids of these users, by what was asked for; customers are made for those nobody knows.

    Erased ones are absent.
    """
    found = customers.ids(project=project, user_ids=user_ids)
    unknown = sorted(user_id for user_id in user_ids if user_id not in found)
    if unknown:
        found |= _create_many(project=project, user_ids=unknown, at=at)
    return {asked: id_ for asked, id_ in found.items() if id_ is not None}


def _create_many(*, project: Project, user_ids: list[str], at: datetime) -> dict[str, str | None]:
    """Make those that nobody else has made meanwhile; everybody's ids."""
    rows = [Customer(project=project, user_id=user_id) for user_id in user_ids]
    ids: dict[str, str | None] = {row.user_id: row.pk for row in rows}
    with transaction.atomic():
        if insert_many(rows) < len(rows):
            ids = customers.ids(project=project, user_ids=user_ids)
        outbox.record_many(
            project_id=project.pk,
            event_type=EventType.CUSTOMER_CREATED,
            data={
                row.pk: representation.customer(row)
                for row in rows
                if ids.get(row.user_id) == row.pk
            },
            at=at,
        )
    return ids


def update(*, customer: Customer, changes: dict[str, Any], at: datetime) -> Customer:
    """The customer with these fields replaced; nothing is told when nothing is different.

    Raises CustomerDeleted.
    """
    with transaction.atomic():
        customer = customers.lock(project_id=customer.project_id, customer_id=customer.pk)
        _refuse_deleted(customer)
        previous = {
            field: getattr(customer, field)
            for field, value in changes.items()
            if getattr(customer, field) != value
        }
        if previous:
            for field in previous:
                setattr(customer, field, changes[field])
            if previous.keys() & COPIED:
                customer.details_changed_at = at
                enqueue("billing.tell_customers")
            customer.save(update_fields=[*previous, "details_changed_at", "updated_at"])
            _tell(EventType.CUSTOMER_UPDATED, customer, at=at, previous=previous)
    return customer


def person_of(customer: Customer) -> Person:
    """Who is erased with this customer, by everything that we were told to call them."""
    names = tuple(filter(None, (customer.email, customer.name, *customer.metadata.values())))
    return Person(user_id=customer.user_id, pseudonym=customer.pk, names=names)


def erase(*, customer: Customer, at: datetime) -> Customer:
    """Forget who a locked customer is; from now on they are known by our id of them alone.

    What was told of them earlier is told anew without it.
    """
    outbox.forget(
        project_id=customer.project_id, customer_id=customer.pk, person=person_of(customer)
    )
    customer.user_id, customer.email, customer.name = customer.pk, "", ""
    customer.metadata = {}
    customer.deleted_at = customer.details_changed_at = at
    customers.bump(customer)
    customer.save()
    _tell(EventType.CUSTOMER_DELETED, customer, at=at)
    return customer


def _refuse_deleted(customer: Customer) -> None:
    if customer.deleted_at is not None:
        raise CustomerDeleted("Use your own id of the user: a new customer is made for it.")


def _tell(
    type_: EventType, customer: Customer, *, at: datetime, previous: dict[str, Any] | None = None
) -> None:
    outbox.record(
        project_id=customer.project_id,
        event_type=type_,
        subject=customer.pk,
        customer_id=customer.pk,
        version=customer.version,
        data=representation.customer(customer),
        previous=previous,
        at=at,
    )
