"""A recheck records an event for each customer whose decision changes."""

from collections import Counter
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from common import batch_runs
from entitlements.free_tier import rechecks
from entitlements.free_tier import service as free_tier
from entitlements.models import Feature, Recheck
from projects.models import Customer, Project
from tests.billing import outbox_events
from tests.factories.entitlements import FeatureFactory, LimitFactory, grant
from tests.factories.projects import CustomerFactory

CHANGED = "entitlements.changed"


@pytest.fixture
def seats(project: Project) -> Feature:
    return LimitFactory.create(project=project, code="seats")


def give_everybody(feature: Feature, value: int) -> None:
    """As the free tier, from now on."""
    free_tier.replace(
        project=feature.project, features=[(feature, value)], actor="test", at=timezone.now()
    )


def notices_by_customer(project: Project) -> Counter[str]:
    return Counter(event.subject for event in outbox_events.events(project, CHANGED))


def recheck_states(project: Project) -> list[tuple[str, int, int]]:
    rows = Recheck.objects.for_project(project).order_by("pk")
    return [(row.status, row.looked_at, row.changed) for row in rows]


def test_each_affected_customer_gets_one_event(
    project: Project, other_project: Project, seats: Feature
) -> None:
    CustomerFactory.create(project=other_project)
    people = [CustomerFactory.create(project=project) for _ in range(5)]
    generous, same = people[3], people[4]
    grant(generous, (seats, 50), at=timezone.now())
    before = notices_by_customer(project)
    give_everybody(seats, 3)
    assert rechecks.run_due(at=timezone.now()) == 2
    assert recheck_states(project) == [("done", 5, 4)]
    assert notices_by_customer(project) - before == Counter(each.pk for each in (*people[:3], same))
    assert outbox_events.last(project, CHANGED).data["entitlements"][0]["reason"] == "free_tier"
    give_everybody(seats, 4)
    give_everybody(seats, 3)
    assert rechecks.run_due(at=timezone.now()) == 2
    assert recheck_states(project)[1:2] == [("superseded", 0, 0)]
    assert outbox_events.types(other_project) == []


def test_a_thousand_unaffected_customers_cost_a_fixed_number_of_queries(
    project: Project, seats: Feature, django_capture_on_commit_callbacks: Any
) -> None:
    Customer.objects.for_project(project).bulk_create(
        Customer(project_id=project.pk, user_id=f"user-{number}") for number in range(1000)
    )
    FeatureFactory.create(project=project, code="sso")
    rechecks.start(project=project, at=timezone.now())
    batches = []
    more = True
    while more:
        with (
            django_capture_on_commit_callbacks(execute=True),
            CaptureQueriesContext(connection) as captured,
        ):
            more = batch_runs.run_batch(rechecks.JOB, at=timezone.now())
        batches.append(len(captured))
    _, *full, _, _ = batches
    assert (set(full), len(full)) == ({9}, 9)
    assert (recheck_states(project), outbox_events.types(project)) == ([("done", 1000, 0)], [])
