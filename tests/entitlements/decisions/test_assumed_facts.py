"""``assume=`` answers as if a grant were there, for one user or many questions."""

from typing import Any

import pytest
from django.utils import timezone

from tests.entitlements.decisions.context_calls import CHECK, look
from tests.factories.entitlements import draft_fact, grant, state
from tests.factories.projects import CustomerFactory

pytestmark = pytest.mark.django_db


def is_same_decision(one, other):
    """But for what names the source, and how often the customer changed."""
    return all(one[name] == other[name] for name in one.keys() - {"sources", "version"})


def test_assumed_grant_is_answered_like_a_real_one(
    api, project, customer, seats, theme, django_capture_on_commit_callbacks
):
    now = timezone.now()
    state(customer, draft_fact(seats, 5, starts_at=now), at=now)
    assumed = {
        "seats": look(api, "seats", assume="grant:seats=25"),
        "theme": look(api, "theme", assume='grant:theme={"a":[1]}'),
        "nobody": look(api, "seats", user_id="nobody", assume="grant:seats=25"),
    }
    body: dict[str, Any] = {"checks": [{"user_id": "ada", "feature": "theme"}]}
    body["assume"] = [{"feature": "theme", "value": {"a": [1]}}]
    assert api.post(CHECK, body).json()["data"][0] == {"user_id": "ada", **assumed["theme"]}
    everything = api.get("/entitlements", query={"user_id": "ada", "assume": "grant:seats=25"})
    assert everything.json()["entitlements"][0] == assumed["seats"]
    assert assumed["seats"]["sources"] == [{"type": "grant", "id": "assumed:seats"}]
    assert look(api, "seats")["value"] == 5
    newcomer = CustomerFactory.create(project=project, user_id="nobody")
    with django_capture_on_commit_callbacks(execute=True):
        grant(customer, (seats, 25), (theme, {"a": [1]}), at=timezone.now())
        grant(newcomer, (seats, 25), at=timezone.now())
    assert is_same_decision(look(api, "seats"), assumed["seats"])
    assert is_same_decision(look(api, "theme"), assumed["theme"])
    assert is_same_decision(look(api, "seats", user_id="nobody"), assumed["nobody"])


@pytest.mark.parametrize(
    "assumptions",
    [
        {"assume": [{}]},
        {"assume": [{"feature": "sso", "product": "prod_1"}]},
        {"assume": [{"product": "prod_1", "value": 5}]},
        {"assume": [{"feature": "sso"}] * 11},
        {"assume": "sso"},
        {"at": 5},
        {"explain": "yes"},
    ],
    ids=str,
)
def test_assumptions_about_many_users_are_refused(api, customer, sso, assumptions):
    body = {"checks": [{"user_id": "ada", "feature": "sso"}], **assumptions}
    assert api.post(CHECK, body).status_code == 422


def test_neighbours_features_and_figures_are_out_of_sight(
    other_api, other_project, customer, seats
):
    for assume in ("grant:seats=25",):
        response = other_api.get(
            CHECK, query={"user_id": customer.pk, "feature": "seats", "assume": assume}
        )
        assert response.status_code == 422
