"""Customers are created by their first use, versioned by each change, and unique per project."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from django.db import OperationalError, connection, transaction

from events.models import OutboxEvent
from projects.customers import selectors as customer_selectors
from projects.customers import service as customers
from projects.models import Customer, Project
from tests.full_disk import refuse_rows
from tests.waiting import PATIENCE

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


def test_the_first_use_creates_the_customer_and_records_an_event(project: Project) -> None:
    customer = customers.ensure(project=project, user_id="u1", at=NOW, email="ada@example.com")

    assert (customer.user_id, customer.email, customer.version) == ("u1", "ada@example.com", 0)
    event = OutboxEvent.objects.for_project(project).get()
    assert (event.type, event.subject, event.customer_id) == (
        "customer.created",
        customer.pk,
        customer.pk,
    )
    assert event.data["email"] == "ada@example.com"


def test_a_later_use_finds_the_customer_and_records_nothing(project: Project) -> None:
    first = customers.ensure(project=project, user_id="u1", at=NOW)
    again = customers.ensure(project=project, user_id="u1", at=NOW)

    assert again == first
    assert OutboxEvent.objects.for_project(project).count() == 1


def test_each_change_counts_the_version_up(project: Project) -> None:
    stale = customers.ensure(project=project, user_id="u1", at=NOW)
    with transaction.atomic():
        locked = customer_selectors.lock(project_id=project.pk, customer_id=stale.pk)
        assert [
            customer_selectors.raise_version(locked),
            customer_selectors.raise_version(locked),
        ] == [1, 2]

    assert Customer.objects.for_project(project).get().version == 2
    with pytest.raises(RuntimeError, match="out of date"):
        customer_selectors.raise_version(stale)


def test_empty_fields_are_filled_and_set_fields_stay(project: Project) -> None:
    customers.ensure(project=project, user_id="u1", at=NOW, name="Ada")
    filled = customers.ensure(
        project=project, user_id="u1", at=NOW, email="ada@example.com", name="Someone else"
    )

    assert (filled.email, filled.name) == ("ada@example.com", "Ada")
    update = OutboxEvent.objects.for_project(project).latest("id")
    assert (update.type, update.previous) == ("customer.updated", {"email": ""})


@pytest.mark.parametrize("change", ["make", "update"])
def test_a_change_whose_event_fails_is_rolled_back(project: Project, change: str) -> None:
    """The event is written in the transaction of the change: there are both or neither."""
    customer = customers.ensure(project=project, user_id="u1", at=NOW, name="Ada")
    changes: dict[str, Callable[[], object]] = {
        "make": lambda: customers.ensure(project=project, user_id="u2", at=NOW),
        "update": lambda: customers.update(customer=customer, changes={"name": "Eve"}, at=NOW),
    }
    refuse_rows("events_outboxevent")

    with pytest.raises(OperationalError, match="full"):
        changes[change]()

    rows = Customer.objects.for_project(project).values_list("user_id", "name", "deleted_at")
    assert list(rows) == [("u1", "Ada", None)]


def test_neighbours_have_users_of_the_same_name(project: Project, other_project: Project) -> None:
    mine = customers.ensure(project=project, user_id="u1", at=NOW)
    other_customer = customers.ensure(project=other_project, user_id="u1", at=NOW)

    assert mine.pk != other_customer.pk


@pytest.mark.django_db(transaction=True)
def test_eight_at_once_make_one_customer_and_one_event(project: Project) -> None:
    start = threading.Barrier(8)
    ids: list[str] = []

    def use() -> None:
        try:
            start.wait(timeout=PATIENCE)
            ids.append(customers.ensure(project=project, user_id="u1", at=NOW).pk)
        finally:
            connection.close()

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=PATIENCE)

    assert len(ids) == 8
    assert set(ids) == {Customer.objects.for_project(project).get().pk}
    assert OutboxEvent.objects.for_project(project).count() == 1


def test_an_acknowledged_older_copy_does_not_count_as_current(project: Project) -> None:
    """The tenant changes the address while Stripe is being told of the one before."""
    customer = customers.create(project=project, user_id="u1", at=NOW)
    being_told = customers.update(customer=customer, changes={"email": "a@example.com"}, at=NOW)
    customers.update(customer=being_told, changes={"email": "b@example.com"}, at=NOW)

    customer_selectors.record_copied(being_told)
    assert [row.email for row in customer_selectors.with_outdated_copies()] == ["b@example.com"]

    customer_selectors.record_copied(Customer.objects.for_project(project).get())
    assert not customer_selectors.with_outdated_copies().exists()
