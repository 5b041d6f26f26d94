"""A failing customer or project delays no other's expiry or event."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from common.models import BackOff
from entitlements.facts import notices
from entitlements.grants import service as grants
from entitlements.models import Grant, Snapshot
from entitlements.notices import thresholds
from projects.models import Customer, Project
from tests.back_offs import end_pauses
from tests.factories.entitlements import FeatureFactory, draft_fact, grant, state
from tests.factories.projects import CustomerFactory
from tests.factories.usage import MeterFactory
from usage.meters import service as meters
from usage.models import Movement
from usage.records import recording
from usage.records.recording import UsageEntry

HOUR = timedelta(hours=1)


@pytest.fixture
def poison() -> None:
    """The database refuses every event about customers whose id is in the table."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE poison (id text PRIMARY KEY)")
        cursor.execute(
            """
            CREATE FUNCTION refuse_poison() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                IF EXISTS (SELECT FROM poison WHERE id = NEW.customer_id) THEN
                    RAISE EXCEPTION 'poison';
                END IF;
                RETURN NEW;
            END $$
            """
        )
        cursor.execute(
            "CREATE TRIGGER refuse_poison BEFORE INSERT ON events_outboxevent "
            "FOR EACH ROW EXECUTE FUNCTION refuse_poison()"
        )


def make_poisonous(customer: Customer) -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO poison VALUES (%s)", [customer.pk])


def remove_poison() -> None:
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE poison")


def ended(project: Project, user_id: str, *, hours: float) -> Customer:
    """A customer with a grant that ended so many hours ago."""
    customer = CustomerFactory.create(project=project, user_id=user_id)
    feature = FeatureFactory.create(project=project, code=f"f-{user_id}")
    ends_at = timezone.now() - timedelta(hours=hours)
    grant(customer, feature, at=ends_at - HOUR, expires_at=ends_at)
    return customer


def expired(project: Project) -> int:
    return Grant.objects.for_project(project).filter(expired_at__isnull=False).count()


def test_a_grant_that_cannot_be_ended_stops_no_other(
    project: Project, other_project: Project, poison: None
) -> None:
    for number in range(5):
        make_poisonous(ended(project, f"bad-{number}", hours=2))
    ended(other_project, "good", hours=1)
    assert grants.expire_due(at=timezone.now(), limit=5) == 1
    assert (expired(project), expired(other_project)) == (0, 1)
    assert BackOff.objects.filter(queue="grant_expiry", owner=project.pk).count() == 4
    remove_poison()
    end_pauses()
    grants.expire_due(at=timezone.now(), limit=10)
    assert expired(project) == 5
    assert not BackOff.objects.exists()


def test_many_grants_of_one_project_leave_room_for_another(
    project: Project, other_project: Project
) -> None:
    for number in range(6):
        ended(project, f"early-{number}", hours=5)
    ended(other_project, "late", hours=1)
    grants.expire_due(at=timezone.now(), limit=3)
    assert (expired(project), expired(other_project)) == (2, 1)


def test_a_customer_whose_event_fails_delays_nobody(
    project: Project, other_project: Project, poison: None
) -> None:
    for number in range(3):
        make_poisonous(ended(project, f"bad-{number}", hours=2))
    good = ended(other_project, "good", hours=1)
    notices.notify_due(at=timezone.now(), limit=2)
    assert Snapshot.objects.for_project(other_project).get(customer=good).changes_at is None
    assert BackOff.objects.get().queue == "entitlement_notices"


def test_a_row_that_always_fails_is_parked(project: Project, poison: None) -> None:
    make_poisonous(ended(project, "bad", hours=2))
    for _ in range(25):
        grants.expire_due(at=timezone.now(), limit=5)
        end_pauses()
    row = BackOff.objects.get(queue="grant_expiry")
    assert (row.failures, row.parked_at is not None) == (20, True)


def test_a_failing_limit_does_not_delay_others(
    project: Project, other_project: Project, poison: None
) -> None:
    at = timezone.now()
    customers = [
        CustomerFactory.create(project=each, user_id=name)
        for each, name in ((project, "bad"), (project, "good"), (other_project, "other"))
    ]
    for customer in customers:
        name = customer.user_id
        meter = MeterFactory.create(project=customer.project, code=name)
        meters.watch(meter=meter)
        feature = FeatureFactory.create(
            project=customer.project, code=name, kind="metered", meter=meter, period="month"
        )
        state(customer, draft_fact(feature, 1, starts_at=at - HOUR), at=at - HOUR)
        recording.record(project=customer.project, entries=[UsageEntry(name, name, 1)], at=at)
    make_poisonous(customers[0])
    assert thresholds.notify_due(at=at, limit=10) == 2
    assert list(Movement.objects.across_projects().values_list("customer_id", flat=True)) == [
        customers[0].pk
    ]
    assert (BackOff.objects.get().queue, BackOff.objects.get().subject) == (
        "limit_notices",
        customers[0].pk,
    )
    remove_poison()
    end_pauses()
    assert thresholds.notify_due(at=at, limit=10) == 1
    assert not BackOff.objects.exists()
