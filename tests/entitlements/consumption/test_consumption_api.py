"""``/entitlements/consume``, ``reserve``, ``commit`` and ``release`` count use within the limit."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from entitlements.models.feature import FeatureKind
from events.models import OutboxEvent
from projects.models import Customer, Project
from tests.api_client import ApiClient
from tests.broadcast_sync import receive_broadcasts
from tests.entitlements.consumption.consumption_calls import (
    allow,
    consume,
    deny,
    post,
    reserve,
    row_counts,
)
from tests.factories.entitlements import FeatureFactory, draft_fact, grant, state
from tests.factories.projects import key_of
from usage.models import Counter, Meter, Movement, Record
from usage.models.record import Forwarding

pytestmark = pytest.mark.django_db


def usage_event_types(project: Project) -> list[str]:
    events = OutboxEvent.objects.for_project(project).order_by("id")
    return [event.type for event in events if event.type.split(".")[0] in ("usage", "credits")]


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
            state(Customer.objects.create(project=project, user_id="bob"), draft_fact(calls, 9))
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


def test_consuming_a_known_feature_takes_one_statement(api, project, customer, calls) -> None:
    allow(customer, calls, 50)
    receive_broadcasts()
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
    wait_until = now + timedelta(days=1) if is_paid else now - timedelta(days=35)
    allow(customer, feature, 5, anchored_at=now - timedelta(days=40), paid_until=wait_until)
    receive_broadcasts()
    with CaptureQueriesContext(connection) as queries:
        body = {"user_id": "ada", "feature": "api"}
        response_body = api.get("/entitlements/check", query=body).json()
    for table in ("entitlements_fact", "usage_counter", "usage_total"):
        assert sum(table in each["sql"] for each in queries) == 1, "totals, as no counter is there"
    assert (response_body["resets_at"] is None, response_body["remaining"]) == (not is_paid, 5)
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
