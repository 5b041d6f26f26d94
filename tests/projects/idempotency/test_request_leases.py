"""One process at a time carries out a request; others wait for its lease or take it over."""

from datetime import datetime, timedelta

import pytest
from django.db.models.functions import Now

from projects.idempotency import selectors as idempotency_keys
from projects.idempotency import service as idempotency
from projects.idempotency.idempotency_leases import RENEWAL_SECONDS, LockRenewer
from projects.idempotency.service import (
    IdempotencyLock,
    IdempotencyLockLost,
    KeyReused,
    RequestInFlight,
    StoredResponse,
)
from projects.keys.credentials import PlatformCredential, ProjectCredential
from projects.models import (
    IdempotencyKey,
    PlatformIdempotencyKey,
    PlatformKey,
    Project,
)
from projects.models.idempotency_key import LEASE_TIME, LEGACY_LOCK_TIME
from tests.projects.idempotency.keyed_requests import START, let_the_lease_end


@pytest.fixture
def caller(project: Project) -> ProjectCredential:
    return ProjectCredential(key_id="key_x", project=project, scopes=frozenset({"keys:write"}))


def claim(caller: ProjectCredential, at: datetime, *, same: str = "a") -> IdempotencyLock:
    return idempotency.claim(caller=caller, key="order-1", fingerprint=same, at=at)


ANSWER = StoredResponse(
    status=201, headers={"Content-Type": "application/json"}, body=b"\x00\xff{}"
)
LATER = START + timedelta(seconds=1)


def test_a_second_request_waits_for_the_first(caller: ProjectCredential) -> None:
    first = claim(caller, START)
    assert first.response is None

    with pytest.raises(RequestInFlight) as refused:
        claim(caller, LATER)
    assert refused.value.retry_after == LEASE_TIME.total_seconds()
    idempotency.store_response(lock=first, response=ANSWER)
    assert claim(caller, LATER).response == ANSWER


@pytest.mark.parametrize(("left", "retry_after"), [(0.5, 1), (1.5, 2), (3.9, 4)])
def test_retry_after_is_the_end_of_the_lease(
    caller: ProjectCredential, project: Project, left: float, retry_after: int
) -> None:
    claim(caller, START)
    let_the_lease_end(project, left=timedelta(seconds=left))

    with pytest.raises(RequestInFlight) as refused:
        claim(caller, LATER)
    assert refused.value.retry_after == retry_after


def test_the_lock_of_a_process_that_knows_no_lease_holds_a_minute(
    caller: ProjectCredential, project: Project
) -> None:
    claim(caller, START)
    rows_of = IdempotencyKey.objects.for_project(project)
    rows_of.update(locked_until=None, locked_at=Now() - LEGACY_LOCK_TIME + timedelta(seconds=9.5))
    with pytest.raises(RequestInFlight) as refused:
        claim(caller, LATER)
    assert refused.value.retry_after == 10
    rows_of.update(locked_at=Now() - LEGACY_LOCK_TIME)
    assert claim(caller, LATER).response is None


def test_a_crashed_request_is_taken_over(caller: ProjectCredential, project: Project) -> None:
    crashed = claim(caller, START)
    let_the_lease_end(project)
    taken = claim(caller, LATER)
    assert taken.response is None

    with pytest.raises(IdempotencyLockLost):
        idempotency.store_response(lock=crashed, response=ANSWER)
    with pytest.raises(IdempotencyLockLost):
        idempotency.release(lock=crashed)
    other = StoredResponse(status=200, headers={}, body=b"mine")
    idempotency.store_response(lock=taken, response=other)
    assert claim(caller, LATER).response == other


def test_a_claim_is_renewed_while_its_process_lives(
    caller: ProjectCredential, project: Project
) -> None:
    now = [100.0]
    leases, held = LockRenewer(clock=lambda: now[0]), claim(caller, START)
    let_the_lease_end(project, left=timedelta(seconds=1))
    with leases.renewing(held):
        leases.renew()  # it has only just begun
        assert left_of(caller, held) <= timedelta(seconds=1)
        now[0] += RENEWAL_SECONDS
        leases.renew()
        assert left_of(caller, held) > timedelta(seconds=4)
    let_the_lease_end(project)
    leases.renew()
    assert left_of(caller, held) <= timedelta(0)


def test_a_former_holder_does_not_renew_a_lease_taken_over(
    caller: ProjectCredential, project: Project
) -> None:
    crashed = claim(caller, START)
    let_the_lease_end(project)
    taken = claim(caller, LATER)
    let_the_lease_end(project, left=timedelta(seconds=1))
    idempotency.renew_leases(locks=[crashed])
    assert left_of(caller, taken) <= timedelta(seconds=1)
    idempotency.renew_leases(locks=[taken])
    assert left_of(caller, taken) > timedelta(seconds=4)


def test_a_platform_keys_claim_is_renewed_too(db: None) -> None:
    PlatformKey.objects.create(pk="key_p", name="p", digest="d")
    caller = PlatformCredential(key_id="key_p")
    held = idempotency.claim(caller=caller, key="k", fingerprint="a", at=START)
    PlatformIdempotencyKey.objects.update(locked_until=Now())
    idempotency.renew_leases(locks=[held])
    left = idempotency_keys.lease_left(caller=caller, row_id=held.row.pk)
    assert left is not None
    assert left > timedelta(seconds=4)


def left_of(caller: ProjectCredential, held: IdempotencyLock) -> timedelta:
    left = idempotency_keys.lease_left(caller=caller, row_id=held.row.pk)
    assert left is not None
    return left


def test_a_crash_does_not_free_the_key_for_another_request(caller: ProjectCredential) -> None:
    claim(caller, START)
    let_the_lease_end(caller.project)
    with pytest.raises(KeyReused):
        claim(caller, LATER, same="b")
