"""Rollouts give each holder the product's features once, in batches that survive crashes."""

from collections import Counter
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from billing.access import rollouts
from billing.catalog import product_features, product_policies
from billing.models import Price, Product, Rollout, Subscription
from billing.models.product import DisputePolicy
from billing.rollouts import worker as rollouts_worker
from common import batch_runs
from entitlements.decisions.selectors import facts as fact_selectors
from entitlements.models import Fact, Feature
from entitlements.models.fact import SourceType
from projects.models import Project
from tests.billing import outbox_events
from tests.billing.rollouts.holders import record_facts, subscribers
from tests.factories.entitlements import grant

CHANGED = "entitlements.changed"
SMALL = replace(rollouts.JOB, size=8)
"""Thirty holders in four batches."""


class Killed(Exception):
    pass


@pytest.fixture
def product(monthly: Price) -> Product:
    """A plan for single sign-on and five seats."""
    return monthly.product


@pytest.fixture
def holders(monthly: Price) -> list[Subscription]:
    """Thirty subscribers of it."""
    rows = subscribers(monthly, 30)
    record_facts(rows)
    return rows


def set_seats(product: Product, sso: Feature, seats: Feature, value: int) -> None:
    features: list[tuple[Feature, Any]] = [(sso, True), (seats, value)]
    product_features.replace(product=product, features=features, actor="test", at=timezone.now())


def limits(project: Project, rows: list[Subscription]) -> Counter[Any]:
    """How many subscriptions say which number of seats."""
    facts_by_customer = fact_selectors.current_of_many(
        project=project, customer_ids=[row.customer_id for row in rows]
    )
    return Counter(
        row.value
        for rows, _ in facts_by_customer.values()
        for row in rows
        if row.source_type == SourceType.SUBSCRIPTION
        and row.feature is not None
        and row.feature.code == "seats"
    )


def notices_by_customer(project: Project) -> Counter[str]:
    """How often each customer was told of other answers."""
    return Counter(event.subject for event in outbox_events.events(project, CHANGED))


def run_batch() -> bool:
    return batch_runs.run_batch(SMALL, at=timezone.now())


def die_before_the_commit() -> None:
    with transaction.atomic():
        assert run_batch()
        raise Killed


def rollout_states(project: Project) -> list[tuple[str, int, int, int]]:
    """Status, holders looked at, changed and failed of every rollout, oldest first."""
    rows = Rollout.objects.for_project(project).order_by("pk")
    return [(row.status, row.looked_at, row.changed, len(row.failed)) for row in rows]


def test_a_batch_whose_worker_dies_is_rolled_back_and_done_again(
    project: Project, product: Product, holders: list[Subscription], sso: Feature, seats: Feature
) -> None:
    for row in holders[:3]:
        grant(row.customer, (seats, 50), at=timezone.now())
    before = notices_by_customer(project)
    set_seats(product, sso, seats, 4)
    assert run_batch()
    with pytest.raises(Killed):
        die_before_the_commit()
    assert rollout_states(project) == [("running", 8, 8, 0)]
    assert limits(project, holders) == {4: 8, 5: 22}
    while run_batch():
        pass
    assert rollout_states(project) == [("done", 30, 30, 0)]
    assert limits(project, holders) == {4: 30}
    assert notices_by_customer(project) - before == Counter(row.customer_id for row in holders[3:])
    assert not rollouts_worker.run_due(at=timezone.now())


def test_an_edit_during_a_rollout_restarts_it_with_the_newer_version(
    project: Project, product: Product, holders: list[Subscription], sso: Feature, seats: Feature
) -> None:
    set_seats(product, sso, seats, 4)
    assert [run_batch(), run_batch()] == [True, True]
    set_seats(product, sso, seats, 3)
    while run_batch():
        pass
    assert rollout_states(project) == [("superseded", 16, 16, 0), ("done", 30, 30, 0)]
    assert limits(project, holders) == {3: 30}
    assert sorted(notices_by_customer(project).values()) == [1] * 14 + [2] * 16
    product.refresh_from_db()
    versions = Rollout.objects.for_project(project).order_by("pk")
    assert [row.catalog_version for row in versions] == [1, product.catalog_version]
    set_seats(product, sso, seats, 3)
    assert len(rollout_states(project)) == 2


def test_a_failing_holder_does_not_delay_the_others(
    project: Project, product: Product, holders: list[Subscription], sso: Feature, seats: Feature
) -> None:
    broken = holders[11]
    Fact.objects.for_project(project).create(
        customer_id=broken.customer_id,
        source_type=SourceType.SUBSCRIPTION,
        source_id=broken.pk,
        version=1,
        effect="allow",
        feature=seats,
        value=7,
        reason="of another world",
        starts_at=timezone.now(),
        recorded_at=timezone.now(),
    )
    set_seats(product, sso, seats, 4)
    for _ in range(60):
        run_batch()
        Rollout.objects.for_project(project).update(next_try_at=timezone.now())
    row = Rollout.objects.for_project(project).get()
    assert (row.status, row.looked_at, row.failed) == ("done", 30, [broken.customer_id])
    assert row.last_error.startswith("ValueError")
    assert limits(project, [each for each in holders if each != broken]) == {4: 29}


def test_a_thousand_unaffected_holders_cost_a_fixed_number_of_queries(
    project: Project, product: Product, monthly: Price
) -> None:
    rows = subscribers(monthly, 1000)
    record_facts(rows)
    product_policies.replace(
        product=product, dispute_policy=DisputePolicy.KEEP, actor="test", at=timezone.now()
    )
    batches = []
    more = True
    while more:
        with CaptureQueriesContext(connection) as captured:
            more = batch_runs.run_batch(rollouts.JOB, at=timezone.now())
        batches.append(len(captured))
    assert rollout_states(project) == [("done", 1000, 0, 0)]
    assert outbox_events.types(project) == [
        "product.updated",
        "rollout.started",
        "rollout.completed",
    ]
    begins, *full, ends, _ = batches
    assert set(full) == {14}
    assert (begins <= 20, ends <= 10) == (True, True)


def test_a_rollout_waits_for_transactions_from_before_the_change(
    project: Project, product: Product, holders: list[Subscription], sso: Feature, seats: Feature
) -> None:
    """Whoever has begun before may still write what followed from the older version."""
    settings = connection.settings_dict
    set_seats(product, sso, seats, 4)
    with psycopg.connect(
        host=settings["HOST"],
        port=settings["PORT"],
        user=settings["USER"],
        password=settings["PASSWORD"],
        dbname=settings["NAME"],
    ) as other:
        other.execute("SELECT pg_current_xact_id()")
        assert run_batch()
        assert rollout_states(project) == [("running", 0, 0, 0)]
        assert Rollout.objects.for_project(project).get().total is None
    Rollout.objects.for_project(project).update(next_try_at=timezone.now())
    while run_batch():
        pass
    assert rollout_states(project) == [("done", 30, 30, 0)]
