"""``/free-tier`` sets every user's features and records who is affected."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from entitlements.decisions.selectors import decisions
from entitlements.facts import notices
from entitlements.features.selectors import rules_version
from entitlements.free_tier import service as free_tier
from entitlements.models import FreeTierEntry, Snapshot
from events.models import AuditEntry, OutboxEvent
from projects.models import Customer
from tests.factories.entitlements import FeatureFactory, LimitFactory, draft_fact, grant, state
from tests.factories.projects import CustomerFactory

pytestmark = pytest.mark.django_db

PATH = "/free-tier"
SECOND = timedelta(seconds=1)


def put(api, **values):
    features = [{"feature": code, "value": value} for code, value in values.items()]
    return api.put(PATH, {"features": features})


def replace(project, at, **values):
    features = free_tier.find_features(project=project, values=list(values.items()))
    return free_tier.replace(project=project, features=features, actor="operator:ada", at=at)


def answer(api, user_id="nobody", feature="seats"):
    body = api.get("/entitlements/check", query={"user_id": user_id, "feature": feature}).json()
    return body["allowed"], body["reason"], body["value"]


def changes(project):
    events = OutboxEvent.objects.for_project(project).filter(type="entitlements.changed")
    return [
        (event.customer_id, [each["feature"] for each in event.previous["entitlements"]])
        for event in events.order_by("pk")
    ]


def test_the_free_tier_holds_for_known_and_unknown_users_until_it_ends(
    api, other_api, project, seats, sso
):
    FeatureFactory.create(project=CustomerFactory.create(user_id="theirs").project, code="seats")
    assert api.get(PATH).json() == {"features": []}
    body = put(api, seats=3, sso=True).json()
    assert body == api.get(PATH).json()
    assert body == {
        "features": [
            {"feature": "seats", "kind": "limit", "value": 3},
            {"feature": "sso", "kind": "boolean", "value": True},
        ]
    }
    assert answer(api) == (True, "free_tier", 3)
    assert not Customer.objects.for_project(project).exists()
    entries = api.get("/entitlements", query={"user_id": "nobody"}).json()["entitlements"]
    assert [(each["feature"], each["reason"]) for each in entries] == [
        ("seats", "free_tier"),
        ("sso", "free_tier"),
    ]
    entry = FreeTierEntry.objects.for_project(project).get(feature=seats)
    assert entries[0]["sources"] == [{"type": "free_tier", "id": entry.pk}]
    assert other_api.get(PATH).json() == {"features": []}
    assert put(api, sso=True).status_code == 200
    decision = decisions.check(
        project=project, user_id="nobody", feature="seats", at=timezone.now()
    )
    assert (decision.allowed, decision.value) == (False, 0)
    audits = AuditEntry.objects.filter(project=project, action="project.set_free_tier")
    assert [(each.before, each.after) for each in audits.order_by("pk")] == [
        ({}, {"seats": 3, "sso": True}),
        ({"seats": 3, "sso": True}, {"sso": True}),
    ]


def test_a_cached_answer_ends_with_a_change_of_the_free_tier(
    api, project, sso, customer, django_capture_on_commit_callbacks
):
    assert answer(api, feature="sso") == answer(api, "ada", "sso") == (False, "not_entitled", False)
    version = rules_version.read(project=project)

    with django_capture_on_commit_callbacks(execute=True):
        put(api, sso=True)

    assert rules_version.read(project=project) == version + 1
    assert answer(api, feature="sso") == answer(api, "ada", "sso") == (True, "free_tier", True)


def test_setting_the_same_free_tier_changes_nothing(api, project, seats):
    put(api, seats=3)
    version, rows = rules_version.read(project), FreeTierEntry.objects.for_project(project).count()
    assert put(api, seats=3).status_code == 200
    assert rules_version.read(project) == version
    assert FreeTierEntry.objects.for_project(project).count() == rows == 1


def test_purchases_are_named_before_the_free_tier(customer, project, seats):
    now = timezone.now()
    replace(project, now, seats=5)
    state(customer, draft_fact(seats, 5, starts_at=now), at=now)
    decision = decisions.check(project=project, user_id="ada", feature="seats", at=now)
    assert (decision.reason, [each.type for each in decision.sources]) == (
        "entitled",
        ["free_tier", "subscription"],
    )


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"features": None},
        {"features": [{"feature": "warp"}]},
        {"features": [{"feature": "old"}]},
        {"features": [{"feature": "seats", "value": True}]},
        {"features": [{"feature": "seats", "value": -1}]},
        {"features": [{"feature": "seats", "value": 1}, {"feature": "seats", "value": 1}]},
        {"features": [{"feature": "seats", "value": 1, "surprise": 1}]},
        {"features": [{"feature": "seats", "value": 1}] * 101},
    ],
    ids=lambda body: str(body)[:60],
)
def test_an_invalid_free_tier_is_refused_and_changes_nothing(api, project, seats, body):
    FeatureFactory.create(project=project, code="old", archived_at=timezone.now())
    put(api, seats=3)
    assert api.put(PATH, body).status_code == 422
    assert answer(api) == (True, "free_tier", 3)


def test_each_affected_customer_gets_one_event(project, seats, sso):
    born = timezone.now()
    few, many, new = (
        CustomerFactory.create(project=project, user_id=name) for name in ("few", "many", "new")
    )
    state(many, draft_fact(seats, 50, starts_at=born), at=born)
    at = born + SECOND
    replace(project, at, seats=3)
    ids = [few.pk, many.pk, new.pk]
    changes_before = changes(project)
    assert notices.recheck(project_id=project.pk, customer_ids=ids, at=at) == 2
    assert changes(project)[len(changes_before) :] == [(few.pk, ["seats"]), (new.pk, ["seats"])]
    few.refresh_from_db()
    snapshot = Snapshot.objects.for_project(project).get(customer=few)
    assert (snapshot.version, snapshot.taken_at) == (few.version, at)
    assert notices.recheck(project_id=project.pk, customer_ids=ids, at=at + SECOND) == 0
    assert Customer.objects.for_project(project).get(pk=many.pk).version == 1


def test_a_customer_changed_meanwhile_gets_one_event_for_both_changes(project, seats, sso):
    born = timezone.now()
    ada = CustomerFactory.create(project=project, user_id="ada")
    state(ada, draft_fact(sso, starts_at=born), at=born)
    replace(project, born + SECOND, seats=3)
    grant(ada, (seats, 2), at=born + 2 * SECOND)
    assert changes(project)[-1] == (ada.pk, ["seats"])
    again = notices.recheck(project_id=project.pk, customer_ids=[ada.pk], at=born + 3 * SECOND)
    assert again == 0


def test_rechecking_many_customers_costs_as_many_queries_as_one(
    project, seats, django_capture_on_commit_callbacks
):
    at = timezone.now()
    ids = [CustomerFactory.create(project=project).pk for _ in range(20)]
    LimitFactory.create(project=project)

    def queries(of):
        with (
            django_capture_on_commit_callbacks(execute=True),
            CaptureQueriesContext(connection) as seen,
        ):
            notices.recheck(project_id=project.pk, customer_ids=of, at=at)
        return len(seen)

    assert queries(ids[:1]) == 7  # the rules are new to the process
    assert queries(ids[:1]) == queries(ids) == 4
