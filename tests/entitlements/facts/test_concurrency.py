"""Parallel writers of facts get one version each, lose nothing and record events once."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from entitlements.decisions.selectors import decisions
from entitlements.grants import service as grants
from entitlements.models import Fact, Grant
from events.models import OutboxEvent
from tests.factories.entitlements import NOW, draft_fact, grant, state

pytestmark = pytest.mark.django_db(transaction=True)

WRITERS = 8


def run_in_threads(act, arguments):
    def run(argument):
        try:
            return act(argument)
        finally:
            connection.close()

    with ThreadPoolExecutor(WRITERS) as threads:
        return list(threads.map(run, arguments))


def test_each_change_has_a_version_of_its_own_and_none_is_lost(customer, seats):
    changes = [(number % WRITERS, number) for number in range(5 * WRITERS)]
    run_in_threads(
        lambda change: state(customer, draft_fact(seats, change[1]), source=f"sub_{change[0]}"),
        changes,
    )
    customer.refresh_from_db()
    versions = Fact.objects.for_project(customer.project_id).values_list("version", flat=True)
    assert sorted(versions) == list(range(1, len(changes) + 1))
    assert customer.version == len(changes)


def test_grant_is_revoked_once_however_many_try(customer, sso):
    new_grant = grant(customer, sso)
    run_in_threads(
        lambda who: grants.revoke(grant=new_grant, reason="Over.", actor=f"operator:{who}", at=NOW),
        range(WRITERS),
    )
    event_counts = Counter(
        event.type for event in OutboxEvent.objects.for_project(customer.project_id)
    )
    assert event_counts == {"grant.created": 1, "grant.revoked": 1, "entitlements.changed": 2}


def test_grants_expire_once_however_many_sweep(customer, sso):
    for _ in range(3):
        grant(customer, sso, expires_at=NOW.replace(hour=13))
    run_in_threads(lambda _: grants.expire_due(at=NOW.replace(hour=14), limit=10), range(WRITERS))
    event_counts = Counter(
        event.type for event in OutboxEvent.objects.for_project(customer.project_id)
    )
    assert event_counts["grant.expired"] == 3
    assert not decisions.check(
        project=customer.project, user_id="ada", feature="sso", at=NOW.replace(hour=14)
    ).allowed
    expired = Grant.objects.for_project(customer.project_id).filter(expired_at__isnull=False)
    assert expired.count() == 3
