"""``/entitlements`` lists every feature of a user, and checks answer many questions at once."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.entitlements.decisions.check_calls import CHECK, COLD, check, queries
from tests.factories.entitlements import FeatureFactory, draft_fact, state
from tests.factories.projects import CustomerFactory

pytestmark = pytest.mark.django_db


def test_entitlements_list_every_feature_of_a_user(api, entitled, project):
    FeatureFactory.create(project=project, code="beta")
    body = api.get("/entitlements", query={"user_id": "ada"}).json()
    assert (body["user_id"], body["customer"], body["version"]) == ("ada", entitled.pk, 1)
    assert [(each["feature"], each["allowed"], each["value"]) for each in body["entitlements"]] == [
        ("beta", False, False),
        ("seats", True, 5),
        ("sso", True, True),
    ]
    for each in body["entitlements"]:
        assert each == check(api, feature=each["feature"]).json()


def test_entitlements_of_an_unknown_user_are_the_free_tier(api, sso):
    body = api.get("/entitlements", query={"user_id": "nobody"}).json()
    assert (body["user_id"], body["customer"], body["version"]) == ("nobody", None, 0)
    assert [each["allowed"] for each in body["entitlements"]] == [False]


def test_everything_costs_the_same_for_any_number_of_features(api, entitled, project):
    check(api)
    with CaptureQueriesContext(connection) as few:
        api.get("/entitlements", query={"user_id": "ada"})
    for number in range(30):
        state(
            entitled,
            draft_fact(FeatureFactory.create(project=project)),
            source=f"sub_{number + 10}",
        )
    with CaptureQueriesContext(connection) as many:
        api.get("/entitlements", query={"user_id": "ada"})
    assert len(few) == len(many)


def test_many_questions_are_answered_in_their_order(api, entitled):
    pairs = [("ada", "sso"), ("nobody", "sso"), ("ada", "seats"), ("ada", "sso"), ("ada", "warp")]
    body = {"checks": [{"user_id": user, "feature": feature} for user, feature in pairs]}
    response = api.post(CHECK, body)
    assert response.status_code == 200
    answers = response.json()["data"]
    assert [(each["user_id"], each["feature"]) for each in answers] == pairs
    assert [each["allowed"] for each in answers] == [True, False, True, True, False]
    single = check(api, feature="seats").json()
    assert answers[2] == {"user_id": "ada", **single}


def test_thousand_questions_cost_as_many_queries_as_one(api, entitled, project):
    users = [CustomerFactory.create(project=project).user_id for _ in range(3)]
    strangers = [f"stranger-{number}" for number in range(997)]

    def ask(names):
        body = {"checks": [{"user_id": name, "feature": "sso"} for name in names]}
        answer, count = queries(lambda: api.post(CHECK, body))
        assert [each["user_id"] for each in answer.json()["data"]] == names
        return count

    check(api)
    assert ask(users[:1]) == COLD
    assert ask([*users[1:], users[0], *strangers]) == COLD
    assert ask([*users, *strangers]) == 0
