"""``/entitlements/consume``, ``reserve``, ``commit`` and ``release`` count use within the limit."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import TestCase
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from entitlements.consumption import reservations
from entitlements.models import Feature, Reservation
from entitlements.models.feature import FeatureKind
from events.models import OutboxEvent
from projects.models import Customer, Project
from tests.api_client import ApiClient
from tests.broadcast_sync import hear
from tests.factories.entitlements import FeatureFactory, claim, grant, state
from tests.factories.projects import key_of
from tests.factories.usage import MeterFactory
from usage.models import Counter, Meter, Movement, Record, RecordKey, Total
from usage.models.record import Forwarding

pytestmark = pytest.mark.django_db

Json = dict[str, Any]


@pytest.fixture
def meter(project: Project) -> Meter:
    return MeterFactory.create(project=project, code="calls")


@pytest.fixture
def calls(project: Project, meter: Meter) -> Feature:
    return FeatureFactory.create(
        project=project, code="api", kind=FeatureKind.METERED, meter=meter, period="month"
    )


@pytest.fixture
def images(project: Project) -> Feature:
    return FeatureFactory.create(project=project, code="image", kind=FeatureKind.CREDITS)


def committed() -> Any:
    """What follows a commit is done at the end, so that no older answer is kept."""
    return TestCase.captureOnCommitCallbacks(execute=True)


def allow(customer: Customer, feature: Feature, value: int | None, **kwargs: Any) -> None:
    """From an hour ago on."""
    since = timezone.now() - timedelta(hours=1)
    with committed():
        state(customer, claim(feature, value, starts_at=since, **kwargs), at=since)


def deny(customer: Customer, feature: Feature) -> None:
    """From a minute ago on."""
    with committed():
        grant(customer, feature, effect="deny", at=timezone.now() - timedelta(minutes=1))


def post(api: ApiClient, verb: str, status: int = 200, **body: Any) -> Json:
    response = api.post(f"/entitlements/{verb}", body)
    assert response.status_code == status, response.content
    return dict(response.json())


def consume(api: ApiClient, amount: int = 1, **body: Any) -> Json:
    return post(api, "consume", **{"user_id": "ada", "feature": "api", "amount": amount, **body})


def reserve(api: ApiClient, amount: int = 1, **body: Any) -> Json:
    return post(api, "reserve", **{"user_id": "ada", "feature": "api", "amount": amount, **body})


def usage_event_types(project: Project) -> list[str]:
    events = OutboxEvent.objects.for_project(project).order_by("id")
    return [event.type for event in events if event.type.split(".")[0] in ("usage", "credits")]


def row_counts(project: Project) -> list[int]:
    """How many keys, records and totals there are, and what is counted and set aside."""
    tables = (RecordKey, Record, Total)
    counters = Counter.objects.for_project(project).values_list("used", "reserved")
    return [
        *(table.objects.for_project(project).count() for table in tables),
        *(int(figure) for counter in counters for figure in counter),
    ]


def test_uses_up_to_the_limit_and_no_further(api, project, customer, calls) -> None:
    allow(customer, calls, 10)
    first = consume(api, 7)
    month = timezone.now().replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    resets_at = (month + timedelta(days=32)).replace(day=1).isoformat().replace("+00:00", "Z")
    expected = {
        "feature": "api",
        "allowed": True,
        "reason": "entitled",
        "value": 10,
        "limit": 10,
        "used": 7,
        "remaining": 3,
        "resets_at": resets_at,
        "valid_until": resets_at,
        "version": 1,
        "sources": [{"type": "subscription", "id": "sub_1"}],
        "consumed": 7,
        "record": first["record"],
        "duplicate": False,
    }
    assert first == expected
    row = Record.objects.for_project(project).get()
    assert (row.id, row.value, row.customer_id) == (first["record"], 7, customer.pk)
    denied = {"allowed": False, "reason": "limit_reached", "consumed": 0, "record": None}
    assert consume(api, 4) == {**expected, **denied}
    assert row_counts(project) == [1, 1, 1, 7, 0]
    last = consume(api, 3)
    assert last == {**expected, "used": 10, "remaining": 0, "record": last["record"], "consumed": 3}
    assert consume(api) == {**expected, **denied, "used": 10, "remaining": 0}
    assert row_counts(project) == [2, 2, 1, 10, 0]


def test_denials_are_answers_and_leave_nothing_behind(api, project, customer, calls, sso) -> None:
    unknown = consume(api, feature="nothing")
    assert (unknown["allowed"], unknown["reason"]) == (False, "unknown_feature")
    stranger = consume(api, user_id="nobody")
    assert (stranger["allowed"], stranger["reason"]) == (False, "not_entitled")
    allow(customer, calls, 5)
    deny(customer, calls)
    revoked = consume(api)
    assert (revoked["allowed"], revoked["reason"], revoked["consumed"]) == (False, "revoked", 0)
    assert reserve(api)["reservation"] is None
    assert row_counts(project) == [0, 0, 0]
    assert Customer.objects.for_project(project).count() == 1
    grant(customer, sso, at=timezone.now() - timedelta(minutes=1))
    for verb in ("consume", "reserve"):
        refusal = post(api, verb, 409, user_id="ada", feature="sso")
        assert refusal["code"] == "not-consumable"


def test_a_key_counts_once_whatever_the_limit_is_now(api, project, customer, calls) -> None:
    allow(customer, calls, 3)
    first = consume(api, 3, key="job 1")
    again = consume(api, 3, key="job 1")
    assert again == {**first, "duplicate": True}
    deny(customer, calls)
    after = consume(api, 3, key="job 1")
    assert (after["reason"], after["consumed"], after["duplicate"]) == ("revoked", 3, True)
    for other in ({"amount": 2}, {"user_id": "bob"}):
        body = {"user_id": "ada", "feature": "api", "amount": 3, "key": "job 1", **other}
        if "user_id" in other:
            state(Customer.objects.create(project=project, user_id="bob"), claim(calls, 9))
        assert post(api, "consume", 409, **body)["code"] == "usage-key-reused"
    assert row_counts(project) == [1, 1, 1, 3, 0]


def test_a_first_use_of_the_free_tier_creates_the_customer(api, project, calls) -> None:
    api.request("PUT", "/free-tier", {"features": [{"feature": "api", "value": 2}]})
    assert [consume(api, user_id="new")["used"] for _ in range(2)] == [1, 2]
    assert consume(api, user_id="new")["reason"] == "limit_reached"
    customer = Customer.objects.for_project(project).get()
    assert customer.user_id == "new"
    assert consume(api, user_id=customer.pk)["used"] == 2


def test_a_feature_without_limit_allows_every_use(api, project, customer, calls) -> None:
    allow(customer, calls, None)
    answer = consume(api, 2**53 - 1)
    assert (answer["limit"], answer["used"], answer["remaining"]) == (None, 2**53 - 1, None)
    assert consume(api)["used"] == 2**53
    assert usage_event_types(project) == []


def test_a_partial_commit_returns_the_rest_of_the_reservation(
    api, project, customer, calls
) -> None:
    allow(customer, calls, 10)
    made = reserve(api, 8, expires_in=60)
    reservation, decision = made["reservation"], made["decision"]
    assert (reservation["status"], reservation["amount"]) == ("open", 8)
    assert (decision["allowed"], decision["used"], decision["remaining"]) == (True, 0, 2)
    assert reserve(api, 3)["reservation"] is None
    assert consume(api, 3)["consumed"] == 0
    assert consume(api, 1)["remaining"] == 1
    id_ = {"reservation": reservation["id"]}
    assert post(api, "commit", 422, **id_, amount=9)["errors"][0]["pointer"] == "#/amount"
    for _ in range(2):
        done = post(api, "commit", **id_, amount=5)["reservation"]
        assert (done["status"], done["committed_amount"]) == ("committed", 5)
    assert post(api, "commit", 409, **id_, amount=4)["code"] == "reservation-closed"
    assert post(api, "release", 409, **id_)["code"] == "reservation-closed"
    assert row_counts(project) == [2, 2, 1, 6, 0]
    other = {"reservation": reserve(api, 4)["reservation"]["id"]}
    assert row_counts(project)[-2:] == [6, 4]
    for _ in range(2):
        assert post(api, "release", **other)["reservation"]["status"] == "released"
    assert post(api, "commit", 409, **other)["code"] == "reservation-closed"
    assert row_counts(project) == [2, 2, 1, 6, 0]


def test_reservation_with_a_key_is_made_once(api, project, customer, calls) -> None:
    allow(customer, calls, 10)
    first = reserve(api, 6, key="job")
    again = reserve(api, 6, key="job")
    assert again == {**first, "duplicate": True}
    assert post(api, "reserve", 409, user_id="ada", feature="api", amount=5, key="job")["code"] == (
        "reservation-key-reused"
    )
    assert row_counts(project)[-2:] == [0, 6]
    assert Reservation.objects.for_project(project).count() == 1


def test_an_expired_reservation_is_released_on_demand_and_by_the_task(
    api, project, customer, calls
) -> None:
    allow(customer, calls, 10)
    mine = Reservation.objects.for_project(project)
    first, second = (reserve(api, 5)["reservation"]["id"] for _ in range(2))
    now = timezone.now()
    mine.filter(pk=first).update(expires_at=now)
    assert post(api, "commit", 409, reservation=first)["code"] == "reservation-expired"
    assert consume(api, 6)["consumed"] == 0
    assert consume(api, 5)["consumed"] == 5
    assert post(api, "release", reservation=first)["reservation"]["status"] == "expired"
    mine.filter(pk=second).update(expires_at=now)
    before = now - timedelta(microseconds=1)
    assert reservations.expire_due(at=before, limit=10) == 0
    assert mine.get(pk=second).status(before) == "open"
    assert [reservations.expire_due(at=now, limit=10) for _ in range(2)] == [1, 0]
    assert row_counts(project) == [1, 1, 1, 5, 0]
    third = mine.get(pk=reserve(api, 5)["reservation"]["id"])
    mine.filter(pk=third.pk).update(expires_at=now)
    assert reserve(api, 5)["decision"]["allowed"]


def test_a_reservation_outlives_the_access_it_was_made_under(api, project, customer, calls) -> None:
    allow(customer, calls, 10)
    held = reserve(api, 6)["reservation"]["id"]
    allow(customer, calls, 4)
    lowered = consume(api)
    assert (lowered["reason"], lowered["limit"], lowered["remaining"]) == ("limit_reached", 4, 0)
    allow(customer, calls, 8)
    assert consume(api, 2)["consumed"] == 2
    deny(customer, calls)
    assert post(api, "commit", reservation=held)["reservation"]["committed_amount"] == 6
    assert row_counts(project)[-2:] == [8, 0]


def test_credits_pay_for_uses_and_wait_for_reserved_ones(api, project, customer, images) -> None:
    allow(customer, images, 4)
    given = api.post("/credits/ada/grant", {"amount": 30, "reason": "Welcome."})
    assert given.status_code == 201, given.content

    def use(amount: int, verb: str = "consume", **body: Any) -> Json:
        return post(api, verb, user_id="ada", feature="image", amount=amount, **body)

    first = use(2, key="job")
    assert (first["consumed"], first["value"], first["remaining"]) == (2, 4, 5)
    assert use(2, key="job") == {**first, "duplicate": True}
    held = use(3, "reserve")
    assert (held["reservation"]["credits"], held["decision"]["remaining"]) == (12, 2)
    refused = use(3)
    assert (refused["reason"], refused["consumed"]) == ("credits_exhausted", 0)
    assert use(3, "reserve")["reservation"] is None
    post(api, "commit", reservation=held["reservation"]["id"], amount=1)
    assert use(4)["remaining"] == 0
    assert use(1)["reason"] == "credits_exhausted"
    balance = api.get("/credits/ada").json()["balance"]
    assert balance == 30 - 4 * (2 + 1 + 4)


def test_common_bodies_are_answered_like_all_others(api, project, customer, calls) -> None:
    """Whatever goes around REST framework and whatever does not: one set of answers."""
    allow(customer, calls, 4)
    plain = consume(api)
    unusual = api.post("/entitlements/consume", {"user_id": "ada", "feature": " api "})
    assert {**unusual.json(), "record": ""} == {**plain, "record": "", "used": 2, "remaining": 2}
    for body, pointer in (
        ({"user_id": "ada"}, "#/feature"),
        ({"user_id": "ada", "feature": "api", "amount": 0}, "#/amount"),
        ({"user_id": "ada", "feature": "api", "amount": 2**53}, "#/amount"),
        ({"user_id": "ada", "feature": "api", "amount": 1.5}, "#/amount"),
        ({"user_id": "ada", "feature": "api", "amount": True}, "#/amount"),
        ({"user_id": "ada", "feature": "api", "key": ""}, "#/key"),
        ({"user_id": "ada", "feature": "api", "key": "k" * 256}, "#/key"),
        ({"user_id": "a\0b", "feature": "api"}, None),
        ({"user_id": "ada", "feature": "api", "more": 1}, "#/more"),
    ):
        refused = api.post("/entitlements/consume", body)
        assert refused.status_code in (400, 422), body
        if pointer:
            assert [each["pointer"] for each in refused.json()["errors"]] == [pointer]
    for seconds in (9, 86_401):
        assert (
            post(api, "reserve", 422, user_id="ada", feature="api", expires_in=seconds)["errors"][
                0
            ]["pointer"]
            == "#/expires_in"
        )
    assert row_counts(project)[-2:] == [2, 0]
    reader = ApiClient(key_of(project, scopes=["entitlements:read"]))
    assert (
        reader.post("/entitlements/consume", {"user_id": "ada", "feature": "api"}).status_code
        == 403
    )
    assert ApiClient().post("/entitlements/consume", {}).status_code == 401


def test_request_with_an_idempotency_key_is_one_transaction(api, project, customer, calls) -> None:
    allow(customer, calls, 5)
    body = {"user_id": "ada", "feature": "api", "amount": 4}
    first, again = (
        api.post("/entitlements/consume", body, headers={"Idempotency-Key": "k"}) for _ in range(2)
    )
    assert (first.content, again.headers["Idempotent-Replayed"]) == (again.content, "true")
    assert row_counts(project) == [1, 1, 1, 4, 0]


def test_neighbour_cannot_touch_a_reservation(api, other_api, project, customer, calls) -> None:
    allow(customer, calls, 5)
    held = {"reservation": reserve(api, 4)["reservation"]["id"]}
    for verb in ("commit", "release"):
        assert post(other_api, verb, 404, **held)["code"] == "not-found"
    assert row_counts(project)[-2:] == [0, 4]


def test_consuming_a_known_feature_takes_one_statement(api, project, customer, calls) -> None:
    allow(customer, calls, 50)
    hear()
    consume(api)
    with CaptureQueriesContext(connection) as queries:
        consume(api)
    assert ["usage_counter" in each["sql"] for each in queries] == [True]


@pytest.mark.parametrize("is_paid", [True, False])
def test_a_limit_that_waits_for_money_takes_as_few_statements(
    api, project, customer, meter, is_paid
) -> None:
    feature = FeatureFactory.create(
        project=project,
        code="api",
        kind=FeatureKind.METERED,
        meter=meter,
        period="month",
        is_anchored=True,
    )
    now = timezone.now()
    until = now + timedelta(days=1) if is_paid else now - timedelta(days=35)
    allow(customer, feature, 5, anchored_at=now - timedelta(days=40), paid_until=until)
    hear()
    with CaptureQueriesContext(connection) as queries:
        asked = {"user_id": "ada", "feature": "api"}
        shown = api.get("/entitlements/check", query=asked).json()
    for table in ("entitlements_fact", "usage_counter", "usage_total"):
        assert sum(table in each["sql"] for each in queries) == 1, "totals, as no counter is there"
    assert (shown["resets_at"] is None, shown["remaining"]) == (not is_paid, 5)
    consume(api)
    with CaptureQueriesContext(connection) as queries:
        consume(api)
    assert ["usage_counter" in each["sql"] for each in queries] == [True]
    assert (consume(api, 4)["consumed"], consume(api, 3)["remaining"]) == (0, 0)
    assert [each.period[-1] == "+" for each in Counter.objects.for_project(project)] == [
        not is_paid
    ]


def test_use_of_a_forwarded_meter_waits_to_be_sent(api, project, customer, meter, calls) -> None:
    Meter.objects.for_project(project).filter(pk=meter.pk).update(is_forwarded=True)
    allow(customer, calls, 50)
    used = consume(api, 3)["record"]
    held = {"reservation": reserve(api, 5)["reservation"]["id"]}
    post(api, "commit", **held, amount=4)
    rows = Record.objects.for_project(project).order_by("value")
    assert rows[0].id == used
    assert [
        (row.value, row.forwarding, row.forwarding_error, row.corrects, row.forwarded_at)
        for row in rows
    ] == [(3, Forwarding.PENDING, "", "", None), (4, Forwarding.PENDING, "", "", None)]


def test_reaching_the_limit_is_recorded_once_in_a_period(api, project, customer, calls) -> None:
    allow(customer, calls, 10)
    for amount, events in (
        (7, []),
        (1, ["usage.threshold_reached"]),
        (1, []),
        (2, []),
        (1, ["usage.limit_reached"]),
        (1, []),
    ):
        before = usage_event_types(project)
        consume(api, amount)
        assert usage_event_types(project) == [*before, *events], amount
    assert not Movement.objects.for_project(project).exists()
    event = OutboxEvent.objects.for_project(project).get(type="usage.threshold_reached")
    assert (event.subject, event.customer_id, event.version) == (calls.pk, customer.pk, 1)
    assert event.data["user_id"] == "ada"
    assert (event.data["threshold"], event.data["used"], event.data["allowed"]) == (80, 8, True)
    allow(customer, calls, 20)
    consume(api, 10)
    assert usage_event_types(project)[2:] == ["usage.threshold_reached", "usage.limit_reached"]


def cost(customer: Customer, feature: Feature, value: int) -> None:
    """What one use costs from now on."""
    with committed():
        state(customer, claim(feature, value, starts_at=timezone.now() - timedelta(hours=1)))


def test_a_repeated_use_keeps_its_price_after_a_price_change(
    api, project, customer, images
) -> None:
    cost(customer, images, 5)
    post_credits(api, 100)
    use = {"feature": "image", "key": "job-1"}
    first = consume(api, 3, **use)
    cost(customer, images, 7)
    again = consume(api, 3, **use)
    assert (again["record"], again["consumed"], again["duplicate"]) == (first["record"], 3, True)
    assert balance(api) == 85
    other = {"user_id": "ada", "amount": 2, **use}
    assert post(api, "consume", 409, **other)["code"] == "credits-key-reused"
    deny(customer, images)
    denied = consume(api, 3, **use)
    assert (denied["allowed"], denied["consumed"], denied["duplicate"]) == (False, 3, True)
    assert post(api, "consume", 409, **other)["code"] == "credits-key-reused"


def test_a_use_that_was_free_is_not_charged_when_it_is_repeated(
    api, project, customer, images
) -> None:
    cost(customer, images, 0)
    use = {"feature": "image", "key": "job-1"}
    free = consume(api, 2, **use)
    assert (free["consumed"], free["duplicate"], free["record"] is None) == (2, False, False)
    post_credits(api, 100)
    cost(customer, images, 7)
    again = consume(api, 2, **use)
    assert (again["record"], again["duplicate"], balance(api)) == (free["record"], True, 100)
    assert consume(api, 1, feature="image")["consumed"] == 1
    assert balance(api) == 93
    cost(customer, images, 0)
    assert consume(api, 2, feature="image", key="job-2")["consumed"] == 2
    assert consume(api, 2, feature="image")["record"] is None
    assert balance(api) == 93


def test_more_credits_than_a_row_can_hold_are_not_reserved(api, project, customer, images) -> None:
    cost(customer, images, 2**50)
    post_credits(api, 100)
    refused = reserve(api, 2**52, feature="image")
    assert refused["reservation"] is None
    assert (refused["decision"]["reason"], refused["decision"]["remaining"]) == (
        "credits_exhausted",
        0,
    )
    assert not Reservation.objects.for_project(project).exists()
    assert consume(api, 2**52, feature="image")["consumed"] == 0


def test_reservations_count_under_every_anchor(api, project, customer, meter) -> None:
    """Another source of the same limit begins its months on another day."""
    feature = FeatureFactory.create(
        project=project,
        code="api",
        kind=FeatureKind.METERED,
        meter=meter,
        period="month",
        is_anchored=True,
    )
    now = timezone.now()
    allow(customer, feature, 10, anchored_at=now - timedelta(days=3))
    held = reserve(api, 8)["reservation"]["id"]
    allow(customer, feature, 10, anchored_at=now - timedelta(days=9))
    shown = api.get("/entitlements/check", query={"user_id": "ada", "feature": "api"}).json()
    assert (shown["used"], shown["remaining"]) == (0, 2)
    assert (consume(api, 3)["consumed"], reserve(api, 3)["reservation"]) == (0, None)
    assert consume(api, 2)["remaining"] == 0
    post(api, "commit", reservation=held, amount=5)
    assert consume(api, 3)["remaining"] == 0
    assert reserve(api, 1)["reservation"] is None


def post_credits(api: ApiClient, amount: int) -> None:
    given = api.post("/credits/ada/grant", {"amount": amount, "reason": "Welcome."})
    assert given.status_code == 201, given.content


def balance(api: ApiClient) -> int:
    return int(api.get("/credits/ada").json()["balance"])
