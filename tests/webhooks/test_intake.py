"""An event is kept once and requests a sync of its object."""

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from django.conf import settings
from django.db import connection, connections
from django.db.models.functions import Now
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from billing.models import StripeEndpoint, SyncObject
from billing.sync import service as sync
from billing.sync import sync_queue
from tests.full_disk import refuse_rows
from tests.shop import Shop
from tests.transactions import rolled_back
from tests.webhooks.stripe_post import StripePost, event, sign
from webhooks.models import InboundEvent
from webhooks.services import intake

THREADS = 16
ROUNDS = 15


def test_a_duplicate_only_counts(post: StripePost) -> None:
    for _ in range(4):
        assert post(event()).status_code == 200
    inbound_event = InboundEvent.objects.get()
    assert inbound_event.deliveries == 4
    assert inbound_event.last_received_at > inbound_event.received_at
    assert SyncObject.objects.get().requested == 1


@pytest.mark.parametrize("table", ["webhooks_inboundevent", "billing_syncobject"])
def test_an_event_that_cannot_be_stored_is_not_acknowledged(post: StripePost, table: str) -> None:
    """Stripe sends again what it was not told 200 for; what it was, it never sends again."""
    post(event(id="evt_0", object_id="prod_0"))
    with rolled_back():
        refuse_rows(table)
        refused = post(event())

    assert refused.status_code == 503
    assert int(refused.headers["Retry-After"]) > 0
    assert InboundEvent.objects.get().event_id == "evt_0"
    assert SyncObject.objects.get().stripe_id == "prod_0"
    assert post(event()).status_code == 200
    assert SyncObject.objects.get(stripe_id="prod_1").requested == 1


def test_an_object_of_a_known_customer_waits_in_the_lane_of_its_project(
    post: StripePost, shop: Shop
) -> None:
    buyer = shop.buyer()
    for number, customer in enumerate((buyer.stripe_id, "cus_unknown", None)):
        body = event("invoice.paid", id=f"evt_{number}", object_id=f"in_{number}")
        body["data"]["object"]["customer"] = customer
        post(body)
    rows = SyncObject.objects.filter(kind="invoice").order_by("stripe_id")
    assert [row.lane for row in rows] == [shop.project.pk, "", ""]


def test_a_duplicate_of_a_processed_event_requests_no_sync(post: StripePost) -> None:
    post(event(object_id="prod_gone"))
    sync.drain(at=timezone.now())
    assert InboundEvent.objects.get().status == "foreign"
    post(event(object_id="prod_gone"))
    assert sync.drain(at=timezone.now()) == 0


def test_events_about_one_object_cost_one_read(post: StripePost) -> None:
    for number in range(50):
        post(event(id=f"evt_{number}"))
    row = SyncObject.objects.get()
    assert (row.requested, row.applied) == (1, 0)
    assert {each.status for each in InboundEvent.objects.all()} == {"waiting"}
    assert sync.drain(at=timezone.now()) == 1
    row.refresh_from_db()
    assert (row.requested, row.applied) == (1, 1)
    assert {each.status for each in InboundEvent.objects.all()} == {"foreign"}


def test_an_event_during_a_read_requests_another(post: StripePost) -> None:
    """Whoever reads may have an older answer in hand, and even after its lease store it."""
    post(event())
    claim = sync_queue.claim_due(limit=1)[0]
    post(event(id="evt_2"))
    SyncObject.objects.update(leased_until=Now() - timedelta(seconds=1))
    post(event(id="evt_3"))
    assert sync_queue.complete_without_change(claim, at=timezone.now())
    row = SyncObject.objects.get()
    assert (row.requested, row.applied, row.state) == (3, 1, "waiting")
    post(event(id="evt_4"))
    numbers = InboundEvent.objects.order_by("id").values_list("request_number", "sync_id")
    assert list(numbers) == [(number, row.pk) for number in (1, 2, 3, 3)]
    assert sync.drain(at=timezone.now()) == 1
    post(event(id="evt_5"))
    row.refresh_from_db()
    assert (row.requested, row.applied) == (4, 3)


def test_an_event_keeps_a_pause_and_wakes_what_is_parked(post: StripePost) -> None:
    post(event())
    later = timezone.now() + timedelta(hours=1)
    SyncObject.objects.update(next_try_at=later, attempts=3)
    post(event(id="evt_2"))
    row = SyncObject.objects.get()
    assert (row.requested, row.next_try_at, row.attempts) == (1, later, 3)
    SyncObject.objects.update(parked_at=timezone.now())
    post(event(id="evt_3"))
    row.refresh_from_db()
    assert (row.requested, row.parked_at, row.attempts) == (2, None, 0)
    assert row.next_try_at < timezone.now()


def test_the_same_id_from_another_endpoint_is_another_event(
    post: StripePost, endpoint: StripeEndpoint
) -> None:
    second = StripeEndpoint.objects.create(account=endpoint.account, token="second")
    post(event())
    post(event(), path=f"{post.path}/{second.token}")
    assert InboundEvent.objects.count() == 2


def test_the_api_version_does_not_matter(post: StripePost) -> None:
    """Only the type and the id are looked at, whatever the payload's shape."""
    shapes = [
        {"id": "sub_1", "object": "subscription", "current_period_end": 1},
        {"id": "sub_1", "object": "subscription", "items": {"data": [{"current_period_end": 1}]}},
        {"id": "sub_1"},
    ]
    for number, shape in enumerate(shapes):
        post(
            event(
                type="customer.subscription.updated",
                id=f"evt_{number}",
                api_version=f"20{20 + number}-01-01",
                data={"object": shape},
            )
        )
    row = SyncObject.objects.get()
    assert (row.kind, row.stripe_id, row.requested) == ("subscription", "sub_1", 1)
    assert set(InboundEvent.objects.values_list("sync_id", "request_number")) == {(row.pk, 1)}


@pytest.mark.django_db(transaction=True)
def test_a_warm_intake_takes_one_statement(
    post: StripePost, endpoint: StripeEndpoint, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """New, of an object that waits, of no object, known, unusable: no look-up, and no BEGIN."""
    for path, tag in ((post.path, "a"), (f"{post.path}/{endpoint.token}", "b")):
        post(event(id=tag), path=path)
        for body in (
            event(object_id=f"prod_{tag}", id=f"{tag}1"),
            event(object_id=f"prod_{tag}", id=f"{tag}2"),
            event(type="topup.created", id=f"{tag}3"),
            event(id=f"{tag}1"),
            tag.encode(),
        ):
            with django_assert_num_queries(1):
                assert post(body, path=path).status_code == 200
    assert InboundEvent.objects.count() == 2 * 5


@pytest.mark.django_db(transaction=True)
def test_an_event_is_found_by_its_key_however_many_there_are(endpoint: StripeEndpoint) -> None:
    """The statement is planned when the tables are empty, and kept by the connection."""
    body, secret = json.dumps(event()).encode(), settings.BILLING.stripe_webhook_secrets[0]
    _receive(endpoint, body, secret)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name, array_length(parameter_types, 1) FROM pg_prepared_statements "
            "WHERE statement LIKE '%INSERT INTO webhooks_inboundevent%'"
        )
        ((name, count),) = cursor.fetchall()
        nothing = ", ".join(["NULL"] * count)
        cursor.execute(f"EXPLAIN (COSTS off) EXECUTE {name}({nothing})")
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "Seq Scan" not in plan
    conditions = {line.strip() for line in plan.splitlines() if "Index Cond" in line}
    assert len(conditions) == 3
    for columns in (("endpoint_id", "event_id"), ("account_id", "kind", "stripe_id")):
        assert any(all(column in each for column in columns) for each in conditions), plan


@pytest.mark.django_db(transaction=True)
def test_sixteen_parallel_deliveries_are_kept_once(
    post: StripePost, endpoint: StripeEndpoint
) -> None:
    """The same event from sixteen threads: one row, sixteen deliveries, no error."""
    for number in range(ROUNDS):
        body = json.dumps(event(id=f"evt_{number}")).encode()
        assert _at_once(partial(_receive, endpoint, body, post.secret)) == []
        inbound_event = InboundEvent.objects.get(event_id=f"evt_{number}")
        assert inbound_event.deliveries == THREADS
        assert inbound_event.sync is not None
        assert inbound_event.request_number is not None
        assert inbound_event.request_number <= inbound_event.sync.requested


def _receive(endpoint: StripeEndpoint, body: bytes, secret: str) -> None:
    intake.receive(endpoint=endpoint, body=body, signature=sign(body, secret), at=datetime.now(UTC))


def _at_once(work: Callable[[], None]) -> list[Exception]:
    """Run it in all threads, let go together; what they raised."""
    errors: list[Exception] = []
    gate = threading.Barrier(THREADS)

    def run() -> None:
        try:
            connection.ensure_connection()
            gate.wait()
            work()
        except Exception as error:  # noqa: BLE001  # handed to the test
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return errors
