"""Checks and consumption over gRPC are what they are over HTTP."""

import pytest
from django.utils import timezone

from entitlements.models import Feature
from projects.models import Customer, Project
from tests.api_client import ApiClient
from tests.factories.entitlements import draft_fact, state
from tests.factories.projects import CustomerFactory
from tests.rpc.rpc_server import RpcClient

CHECK = "EntitlementService/Check"
QUESTION = {"user_id": "ada", "feature": "seats"}


@pytest.fixture
def ada(project: Project, sso: Feature, seats: Feature) -> Customer:
    """Ada may use sso, and five seats."""
    now = timezone.now()
    customer = CustomerFactory.create(project=project, user_id="ada")
    state(customer, draft_fact(sso, starts_at=now), draft_fact(seats, 5, starts_at=now), at=now)
    return customer


def test_a_decision_is_the_one_of_http_when_cold_and_when_cached(
    rpc: RpcClient, api: ApiClient, ada: Customer
) -> None:
    expected = {
        "feature": "seats",
        "allowed": True,
        "reason": "entitled",
        "value": 5.0,
        "limit": "5",
        "version": "1",
        "sources": [{"type": "subscription", "id": "sub_1"}],
    }
    body = api.get("/entitlements/check", query=QUESTION).json()
    assert (body["limit"], body["sources"]) == (5, expected["sources"])
    answers = [rpc.call(CHECK, QUESTION) for _ in range(3)]
    assert answers == [{"decision": expected}] * 3


def test_an_unknown_user_is_denied_and_no_error(rpc: RpcClient, ada: Customer) -> None:
    decision = rpc.call(CHECK, {"user_id": "nobody", "feature": "sso"})["decision"]
    assert (decision.get("allowed", False), decision["reason"]) == (False, "not_entitled")


def test_a_check_is_explained_and_assumes(rpc: RpcClient, ada: Customer) -> None:
    question = {"user_id": "bob", "feature": "seats", "assume": "grant:seats=9", "explain": True}
    decision = rpc.call(CHECK, question)["decision"]
    assert (decision["allowed"], decision["limit"]) == (True, "9")
    assert decision["explanation"]["steps"][0]["facts"][0]["value"] == 9.0


def test_many_checks_are_answered_in_order(rpc: RpcClient, ada: Customer) -> None:
    checks = [QUESTION, {"user_id": "bob", "feature": "sso"}]
    answers = rpc.call("EntitlementService/BatchCheck", {"checks": checks})["data"]
    assert [(each["user_id"], each["decision"].get("allowed", False)) for each in answers] == [
        ("ada", True),
        ("bob", False),
    ]
    assumed = {"checks": checks, "assume": [{"feature": "sso", "value": True}]}
    answers = rpc.call("EntitlementService/BatchCheck", assumed)["data"]
    assert [each["decision"]["allowed"] for each in answers] == [True, True]


def test_all_entitlements_of_a_user(rpc: RpcClient, ada: Customer) -> None:
    body = rpc.call("EntitlementService/ListEntitlements", {"user_id": "ada"})
    assert body["customer"] == ada.pk
    assert {each["feature"]: each["allowed"] for each in body["entitlements"]} == {
        "sso": True,
        "seats": True,
    }
