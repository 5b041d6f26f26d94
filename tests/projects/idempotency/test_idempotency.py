"""A request with an ``Idempotency-Key`` is carried out once, whatever interrupts it."""

import base64
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import DatabaseError, connection
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from projects.idempotency import selectors as idempotency_keys
from projects.idempotency import service as idempotency
from projects.idempotency.api.idempotency import IdempotencyMiddleware
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
    ApiKey,
    App,
    Customer,
    IdempotencyKey,
    PlatformIdempotencyKey,
    PlatformKey,
    Project,
)
from projects.models.idempotency_key import KEPT_FOR, LEASE_TIME, LEGACY_LOCK_TIME
from tests.api_client import ApiClient
from tests.factories.projects import key_of

START = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
ONCE = {"Idempotency-Key": "order-1"}


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(START, tick=False) as coordinates:
        yield coordinates


def rows(project: Project) -> list[IdempotencyKey]:
    return list(IdempotencyKey.objects.for_project(project))


def test_the_same_request_is_carried_out_once(api: ApiClient, project: Project) -> None:
    first = api.post("/customers", {"user_id": "u1"}, headers=ONCE)
    again = api.post("/customers", {"user_id": "u1"}, headers=ONCE)

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again.headers["Content-Type"] == first.headers["Content-Type"]
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers["X-Request-ID"] != first.headers["X-Request-ID"]
    assert Customer.objects.for_project(project).count() == 1


def test_a_key_that_comes_again_is_no_error_to_the_database(
    api: ApiClient, platform_api: ApiClient
) -> None:
    """It comes every day; PostgreSQL's log is for what somebody has to look at."""
    errors: list[DatabaseError] = []

    def watch(execute: Any, *arguments: Any) -> Any:
        try:
            return execute(*arguments)
        except DatabaseError as error:
            errors.append(error)
            raise

    with connection.execute_wrapper(watch):
        replies = [api.post("/customers", {"user_id": "u1"}, headers=ONCE) for _ in range(2)]
        project = {"name": "Borealis", "slug": "borealis"}
        replies += [platform_api.post("/projects", project, headers=ONCE) for _ in range(2)]
    assert [reply.status_code for reply in replies] == [201] * 4
    assert errors == []


def test_a_business_refusal_is_replayed(api: ApiClient) -> None:
    api.post("/customers", {"user_id": "u1"})
    first = api.post("/customers", {"user_id": "u1"}, headers=ONCE)
    again = api.post("/customers", {"user_id": "u1"}, headers=ONCE)

    assert (first.status_code, first.json()["code"]) == (409, "customer-exists")
    assert again.content == first.content
    assert again.headers["Idempotent-Replayed"] == "true"


def test_a_new_key_is_replayed_but_not_stored_readably(api: ApiClient, project: Project) -> None:
    path = f"/projects/{project.pk}/keys"
    first = api.post(path, {"name": "CI", "scopes": ["keys:write"]}, headers=ONCE)
    again = api.post(path, {"name": "CI", "scopes": ["keys:write"]}, headers=ONCE)

    assert again.json()["secret"] == first.json()["secret"]
    assert ApiKey.objects.for_project(project).count() == 2
    stored = rows(project)[0].__dict__
    assert first.json()["secret"] not in str(stored)
    assert first.json()["id"] not in str(stored)
    assert base64.b64encode(first.content).decode() not in str(stored)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/customers", {"user_id": "u2"}),
        ("POST", "/customers?x=1", {"user_id": "u1"}),
        ("PATCH", "/customers/u1", {"name": "Ada"}),
    ],
)
def test_the_key_of_another_request_is_refused(
    api: ApiClient, project: Project, method: str, path: str, body: dict[str, Any]
) -> None:
    api.post("/customers", {"user_id": "u1"}, headers=ONCE)
    other = api.request(method, path, body, headers=ONCE)

    assert (other.status_code, other.json()["code"]) == (409, "idempotency-key-reused")
    assert Customer.objects.for_project(project).get().name == ""


def test_neighbours_may_choose_the_same_key(
    api: ApiClient, other_api: ApiClient, other_project: Project
) -> None:
    mine = api.post("/customers", {"user_id": "u1"}, headers=ONCE)
    theirs = other_api.post("/customers", {"user_id": "u1"}, headers=ONCE)

    assert theirs.status_code == 201
    assert "Idempotent-Replayed" not in theirs.headers
    assert theirs.json()["id"] != mine.json()["id"]
    assert Customer.objects.for_project(other_project).get().pk == theirs.json()["id"]


def test_a_neighbour_who_repeats_the_key_gets_its_own_answer(
    api: ApiClient, other_api: ApiClient
) -> None:
    mine = api.post("/customers", {"user_id": "u1"}, headers=ONCE)
    theirs = other_api.post("/customers", {"user_id": "u1"}, headers=ONCE)
    again = other_api.post("/customers", {"user_id": "u1"}, headers=ONCE)

    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.content == theirs.content
    assert mine.json()["id"] not in again.content.decode()


def test_a_successor_key_gets_the_answer_and_a_weaker_key_does_not(project: Project) -> None:
    strong, same = ApiClient(key_of(project)), ApiClient(key_of(project))
    weak = ApiClient(key_of(project, scopes=["keys:write"]))
    path, body = f"/projects/{project.pk}/keys", {"name": "CI", "scopes": ["keys:write"]}

    first = strong.post(path, body, headers=ONCE)
    assert same.post(path, body, headers=ONCE).content == first.content
    refused = weak.post(path, body, headers=ONCE)
    assert (refused.status_code, refused.json()["code"]) == (409, "idempotency-key-reused")


def test_a_revoked_key_is_not_answered_from_memory(api: ApiClient, project: Project) -> None:
    api.post("/customers", {"user_id": "u1"}, headers=ONCE)
    ApiKey.objects.for_project(project).update(revoked_at=START)

    again = api.post("/customers", {"user_id": "u1"}, headers=ONCE)
    assert (again.status_code, again.json()["code"]) == (401, "invalid-key")


def test_a_malformed_request_stores_nothing(api: ApiClient, project: Project) -> None:
    refused = api.post("/customers", {"user_id": ""}, headers=ONCE)
    assert refused.status_code == 422

    repaired = api.post("/customers", {"user_id": ""}, headers=ONCE)
    assert repaired.status_code == 422
    assert "Idempotent-Replayed" not in repaired.headers
    assert rows(project)[0].locked_at is None
    assert rows(project)[0].status is None


def test_a_not_found_answer_is_not_replayed(api: ApiClient) -> None:
    assert api.patch("/customers/u1", {"name": "Ada"}, headers=ONCE).status_code == 404
    api.post("/customers", {"user_id": "u1"})
    assert api.patch("/customers/u1", {"name": "Ada"}, headers=ONCE).status_code == 200


def test_platform_keys_have_keys_of_their_own(platform_api: ApiClient) -> None:
    first = platform_api.post("/projects", {"name": "Acme"}, headers=ONCE)
    again = platform_api.post("/projects", {"name": "Acme"}, headers=ONCE)

    assert first.status_code == 201
    assert again.content == first.content
    assert Project.objects.count() == 1


def test_reading_needs_no_key_and_ignores_one(api: ApiClient, project: Project) -> None:
    api.get("/customers", headers=ONCE)
    assert "Idempotent-Replayed" not in api.get("/customers", headers=ONCE).headers
    assert rows(project) == []


@pytest.mark.parametrize("key", ["", "x" * 256, "caf\u00e9", "tab\tbed", "bell\x07"])
def test_an_odd_key_is_refused(api: ApiClient, project: Project, key: str) -> None:
    answer = api.post("/customers", {"user_id": "u1"}, headers={"Idempotency-Key": key})

    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency-key-invalid")
    assert Customer.objects.for_project(project).count() == 0


def test_the_longest_key_is_fine(api: ApiClient) -> None:
    long = {"Idempotency-Key": "x" * 255}
    assert api.post("/customers", {"user_id": "u1"}, headers=long).status_code == 201
    assert api.post("/customers", {"user_id": "u1"}, headers=long).status_code == 201


def test_an_oversized_body_is_refused(api: ApiClient, project: Project) -> None:
    answer = api.post("/customers", {"user_id": "u1", "name": "x" * 1_100_000}, headers=ONCE)

    assert (answer.status_code, answer.json()["code"]) == (413, "body-too-large")
    assert rows(project) == []


def test_after_a_day_the_key_is_new(project: Project, clock: time_machine.Traveller) -> None:
    api = ApiClient(key_of(project))
    api.post("/customers", {"user_id": "u1"}, headers=ONCE)
    clock.shift(KEPT_FOR - timedelta(seconds=1))
    assert api.post("/customers", {"user_id": "u2"}, headers=ONCE).status_code == 409
    clock.shift(timedelta(seconds=1))
    fresh = api.post("/customers", {"user_id": "u2"}, headers=ONCE)
    assert fresh.status_code == 201
    assert api.post("/customers", {"user_id": "u2"}, headers=ONCE).content == fresh.content


def test_the_sweep_forgets_what_is_older_than_a_day(
    project: Project, platform_api: ApiClient
) -> None:
    api = ApiClient(key_of(project))
    api.post("/customers", {"user_id": "u1"}, headers=ONCE)
    platform_api.post("/projects", {"name": "Acme"}, headers=ONCE)
    now = rows(project)[0].created_at

    assert idempotency.purge(at=now + KEPT_FOR - timedelta(seconds=1)) == 0
    assert idempotency.purge(at=now + KEPT_FOR + timedelta(seconds=5)) == 2
    assert rows(project) == []


# What happens between the claim and the answer.


@pytest.fixture
def caller(project: Project) -> ProjectCredential:
    return ProjectCredential(key_id="key_x", project=project, scopes=frozenset({"keys:write"}))


def claim(caller: ProjectCredential, at: datetime, *, same: str = "a") -> IdempotencyLock:
    return idempotency.claim(caller=caller, key="order-1", fingerprint=same, at=at)


ANSWER = StoredResponse(
    status=201, headers={"Content-Type": "application/json"}, body=b"\x00\xff{}"
)


LATER = START + timedelta(seconds=1)


def let_the_lease_end(project: Project, *, left: timedelta = timedelta(0)) -> None:
    IdempotencyKey.objects.for_project(project).update(locked_until=Now() + left)


def test_a_second_request_waits_for_the_first(caller: ProjectCredential) -> None:
    first = claim(caller, START)
    assert first.response is None

    with pytest.raises(RequestInFlight) as refused:
        claim(caller, LATER)
    assert refused.value.retry_after == LEASE_TIME.total_seconds()
    idempotency.store_response(lock=first, response=ANSWER)
    assert claim(caller, LATER).response == ANSWER


@pytest.mark.parametrize(("left", "told"), [(0.5, 1), (1.5, 2), (3.9, 4)])
def test_retry_after_is_the_end_of_the_lease(
    caller: ProjectCredential, project: Project, left: float, told: int
) -> None:
    claim(caller, START)
    let_the_lease_end(project, left=timedelta(seconds=left))

    with pytest.raises(RequestInFlight) as refused:
        claim(caller, LATER)
    assert refused.value.retry_after == told


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


def through(request: HttpRequest, view: Any) -> HttpResponse:
    return IdempotencyMiddleware(view)(request)


@pytest.fixture
def request_once(project: Project) -> HttpRequest:
    return RequestFactory().post(
        "/api/v1/customers",
        data="{}",
        content_type="application/json",
        headers={**ONCE, "Authorization": f"Bearer {key_of(project)}"},
    )


@pytest.mark.django_db(transaction=True)
def test_work_and_answer_commit_together(request_once: HttpRequest, project: Project) -> None:
    def view(request: HttpRequest) -> HttpResponse:
        Customer.objects.create(project=project, user_id="u1")
        assert connection.in_atomic_block
        return HttpResponse("{}", status=201)

    through(request_once, view)
    assert Customer.objects.for_project(project).count() == 1
    assert rows(project)[0].status == 201


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("status", [400, 404, 422, 429, 500, 503])
def test_a_failed_request_leaves_nothing(
    request_once: HttpRequest, project: Project, status: int
) -> None:
    def view(request: HttpRequest) -> HttpResponse:
        Customer.objects.create(project=project, user_id="u1")
        return HttpResponse("{}", status=status)

    assert through(request_once, view).status_code == status
    assert Customer.objects.for_project(project).count() == 0
    assert (rows(project)[0].status, rows(project)[0].locked_at) == (None, None)


@pytest.mark.django_db(transaction=True)
def test_a_process_that_dies_before_its_answer_did_nothing(
    request_once: HttpRequest, project: Project
) -> None:
    def view(request: HttpRequest) -> HttpResponse:
        Customer.objects.create(project=project, user_id="u1")
        raise SystemExit

    with pytest.raises(SystemExit):
        through(request_once, view)
    assert Customer.objects.for_project(project).count() == 0
    refused = through(request_once, lambda request: HttpResponse("{}", status=201))
    assert (refused.status_code, refused.headers["Retry-After"]) == (409, "5")
    let_the_lease_end(project)
    again = through(request_once, lambda request: HttpResponse("{}", status=201))
    assert again.status_code == 201


@pytest.mark.django_db(transaction=True)
def test_a_request_that_takes_longer_than_its_lease_keeps_it(
    request_once: HttpRequest, project: Project
) -> None:
    """Whatever the view waits for, its process renews the claim meanwhile."""

    def view(request: HttpRequest) -> HttpResponse:
        assert connection.in_atomic_block
        begun, deadline = rows(project)[0].locked_until, time.monotonic() + 20
        while rows(project)[0].locked_until == begun:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return HttpResponse("{}", status=201)

    assert through(request_once, view).status_code == 201


@pytest.mark.django_db(transaction=True)
def test_an_abandoned_request_that_resumes_changes_nothing(
    request_once: HttpRequest, project: Project
) -> None:
    def view(request: HttpRequest) -> HttpResponse:
        Customer.objects.create(project=project, user_id="u1")
        taken_over = {"locked_at": START, "locked_until": Now() + timedelta(seconds=2.5)}
        IdempotencyKey.objects.for_project(project).update(**taken_over)
        return HttpResponse("{}", status=201)

    answer = through(request_once, view)
    assert (answer.status_code, answer.headers["Retry-After"]) == (409, "5")
    assert Customer.objects.for_project(project).count() == 0


@pytest.mark.django_db(transaction=True)
def test_eight_at_once_are_carried_out_once(project: Project) -> None:
    key, start = key_of(project), threading.Barrier(8)
    answers: list[Any] = []

    def call() -> None:
        try:
            start.wait(timeout=5)
            answers.append(
                ApiClient(key).post(f"/projects/{project.pk}/apps", {"name": "App"}, headers=ONCE)
            )
        finally:
            connection.close()

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)

    made = {answer.content for answer in answers if answer.status_code == 201}
    refused = {answer.json()["code"] for answer in answers if answer.status_code != 201}
    assert len(answers) == 8
    assert len(made) == 1
    assert refused <= {"idempotency-key-in-flight"}
    assert App.objects.for_project(project).count() == 1


def test_a_temporary_refusal_is_not_replayed(project: Project) -> None:
    """ "Come back in a second" is said once: the same request is tried again then."""
    headers: Any = {"HTTP_AUTHORIZATION": f"Bearer {key_of(project)}", "HTTP_IDEMPOTENCY_KEY": "k"}
    answers = [HttpResponse(status=409, headers={"Retry-After": "1"}), HttpResponse(status=201)]
    answer = IdempotencyMiddleware(lambda request: answers.pop(0))

    said = [
        answer(RequestFactory().post("/api/v1/checkout", b"{}", "application/json", **headers))
        for _ in range(3)
    ]

    assert [each.status_code for each in said] == [409, 201, 201]
    assert said[2].headers["Idempotent-Replayed"] == "true"
