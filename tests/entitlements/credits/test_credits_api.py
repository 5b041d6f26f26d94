"""``/credits`` grants, shows, spends and revokes credits over HTTP."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from entitlements.models import CreditTransaction
from tests.api_client import ApiClient
from tests.factories.projects import key_of

pytestmark = pytest.mark.django_db

NOTHING = {"balance": 0, "reserved": 0, "withheld": 0, "low_at": 0, "grants": []}


def give(api, amount=100, user_id="ada", **body):
    request_body = {"amount": amount, "reason": "Goodwill.", **body}
    response = api.post(f"/credits/{user_id}/grant", request_body)
    assert response.status_code == 201, response.content
    return response.json()


def spend(api, amount, user_id="ada", **body):
    return api.post(f"/credits/{user_id}/spend", {"amount": amount, **body})


def test_credits_are_granted_shown_and_spent(api):
    soon = (timezone.now() + timedelta(days=1)).isoformat().replace("+00:00", "Z")
    credit_grant = give(api)
    first = give(api, 20, priority=10, expires_at=soon)
    assert (credit_grant["balance"], first["balance"]) == (100, 120)

    spent = spend(api, 50, key="order-1", feature="renders", reason="A film.").json()
    again = spend(api, 50, key="order-1", feature="renders").json()

    shares = [
        {"grant": first["grant"]["id"], "amount": 20},
        {"grant": credit_grant["grant"]["id"], "amount": 30},
    ]
    assert (spent["spent"], spent["balance"], spent["grants"]) == (50, 70, shares)
    assert again == {**spent, "duplicate": True}
    seen = api.get("/credits/ada").json()
    assert (seen["user_id"], seen["balance"], seen["low_at"]) == ("ada", 70, 12)
    (left,) = seen["grants"]
    created_by, granted_at = left.pop("created_by"), left.pop("granted_at")
    assert created_by.startswith("key:key_")
    assert granted_at.endswith("Z")
    assert left == {
        "id": credit_grant["grant"]["id"],
        "user_id": "ada",
        "status": "active",
        "source": {"type": "operator", "id": None},
        "product": None,
        "amount": 100,
        "carried": 0,
        "due": 100,
        "given": 100,
        "available": 70,
        "reserved": 0,
        "withheld": 0,
        "spent": 30,
        "expired": 0,
        "overspent": 0,
        "priority": 50,
        "expires_at": None,
        "reason": "Goodwill.",
        "revoked_at": None,
        "revoked_by": None,
        "revoked_reason": None,
    }
    all_of_them = api.get("/credits/ada/grants").json()["data"]
    assert [(each["id"], each["status"]) for each in all_of_them] == [
        (first["grant"]["id"], "used_up"),
        (credit_grant["grant"]["id"], "active"),
    ]


def test_the_history_adds_up(api):
    give(api)
    spend(api, 30, key="order-1")
    pages, query = [], {"limit": "1"}
    while True:
        page = api.get("/credits/ada/entries", query=query).json()
        pages += page["data"]
        if not page["has_more"]:
            break
        query = {"limit": "1", "cursor": page["data"][-1]["id"]}
    assert [(each["movement"], each["amount"], each["balance"]) for each in pages] == [
        ("spend", 30, 70),
        ("grant", 100, 100),
    ]
    for each in pages:
        assert sum(entry["amount"] for entry in each["entries"]) == 0
    assert [entry["bucket"] for entry in pages[0]["entries"]] == ["available", "spent"]
    assert (pages[0]["key"], pages[1]["key"]) == ("order-1", None)


def test_a_refused_request_changes_nothing(api, project):
    grant_id = give(api)["grant"]["id"]
    soon = (timezone.now() - timedelta(days=1)).isoformat()
    refusals = [
        (spend(api, 101), 409, "not-enough-credits"),
        (spend(api, 1, "nobody"), 409, "not-enough-credits"),
        *((spend(api, amount), 422, "invalid") for amount in (0, -1, "1", 1.5, True, 10**13)),
        (spend(api, 1, extra=1), 422, "invalid"),
        (spend(api, 1, key=""), 422, "invalid"),
        (spend(api, 1, key="\x00"), 400, None),
        (api.post("/credits/ada/grant", {"amount": 1}), 422, "invalid"),
        (api.post("/credits/ada/grant", {"amount": 1, "reason": " "}), 422, "invalid"),
        (
            api.post("/credits/ada/grant", {"amount": 1, "reason": "x", "expires_at": soon}),
            422,
            "invalid",
        ),
        (
            api.post("/credits/ada/grant", {"amount": 1, "reason": "x", "priority": 101}),
            422,
            "invalid",
        ),
        (api.post(f"/credits/bob/grants/{grant_id}/revoke", {"reason": "x"}), 404, "not-found"),
        (api.post(f"/credits/ada/grants/{grant_id}/revoke", {}), 422, "invalid"),
        (api.patch("/credits/ada", {"low_at": -1}), 422, "invalid"),
        (api.patch("/credits/ada", {}), 422, "invalid"),
    ]
    for number, (response, status, code) in enumerate(refusals):
        assert response.status_code == status, (number, response.content)
        assert code is None or response.json()["code"] == code, number
    refused = refusals[0][0].json()
    assert (refused["balance"], refused["needed"]) == (100, 101)
    assert CreditTransaction.objects.for_project(project).count() == 1
    assert api.get("/credits/ada").json()["balance"] == 100


def test_a_key_of_another_spending_is_refused(api):
    give(api)
    spend(api, 5, key="order-1")
    reused = spend(api, 6, key="order-1")
    assert (reused.status_code, reused.json()["code"]) == (409, "credits-key-reused")


def test_an_unknown_user_has_no_credits_and_no_history(api):
    seen = api.get("/credits/nobody").json()
    assert seen == {"user_id": "nobody", "customer": None, **NOTHING}
    for path in ("/credits/nobody/entries", "/credits/nobody/grants"):
        assert api.get(path).json() == {"data": [], "next": None, "has_more": False}


def test_a_grant_is_revoked_by_hand(api):
    grant_id = give(api)["grant"]["id"]
    spend(api, 30)
    revoked = api.post(f"/credits/ada/grants/{grant_id}/revoke", {"reason": "Mistake."}).json()
    assert (revoked["balance"], revoked["grant"]["status"]) == (0, "revoked")
    assert revoked["grant"]["revoked_reason"] == "Mistake."


def test_a_customer_can_have_its_own_threshold(api):
    give(api)
    assert api.patch("/credits/ada", {"low_at": 30}).json()["low_at"] == 30
    assert api.patch("/credits/ada", {"low_at": None}).json()["low_at"] == 10


def test_each_action_needs_its_scope(api, project):
    give(api)
    reader = ApiClient(key_of(project, scopes=["credits:read"]))
    writer = ApiClient(key_of(project, scopes=["credits:write"]))
    assert reader.get("/credits/ada").status_code == 200
    assert spend(reader, 1).status_code == 403
    assert spend(writer, 1).status_code == 200
    body = {"amount": 1, "reason": "x"}
    assert writer.post("/credits/ada/grant", body).status_code == 403
    assert writer.get("/credits/ada").status_code == 403


def test_the_same_request_spends_once(api):
    give(api)
    headers = {"Idempotency-Key": "once"}
    first, second = (
        api.post("/credits/ada/spend", {"amount": 5}, headers=headers) for _ in range(2)
    )
    assert first.content == second.content
    assert second.headers["Idempotent-Replayed"] == "true"
    assert api.get("/credits/ada").json()["balance"] == 95


def test_lists_do_not_ask_for_each_row(api):
    counted = []
    for more in (1, 20):
        for _ in range(more):
            give(api, 2)
        spend(api, 1)
        with CaptureQueriesContext(connection) as queries:
            for path in ("/credits/ada", "/credits/ada/entries", "/credits/ada/grants"):
                assert api.get(path).status_code == 200
        counted.append(len(queries))
    assert counted[0] == counted[1]
