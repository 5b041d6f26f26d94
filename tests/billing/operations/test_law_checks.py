"""The nightly check holds our own tables to their laws and recounts what differs."""

from collections.abc import Callable
from datetime import timedelta

import pgtrigger
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from billing.models import Price, StripeCustomer, Subscription
from billing.operations import law_checks
from entitlements.credits import credit_grants
from entitlements.decisions.selectors import decisions
from entitlements.facts import service as facts
from entitlements.models import CreditGrant
from entitlements.models.fact import SourceType
from projects.models import Customer, Project
from tests.api_client import ApiClient
from tests.shop import Shop
from usage.models import Counter, Total

Drain = Callable[[], None]


def check(law: str, *, repair: bool = True) -> list[tuple[str, str | None]]:
    page = law_checks.check_page(law, after="", at=timezone.now(), repair=repair)
    return [(str(each), each.error) for each in page.violations]


def is_allowed(project: Project) -> bool:
    at = timezone.now()
    return decisions.check(project=project, user_id="alice", feature="sso", at=at).allowed


def forget_facts(source_type: SourceType, source_id: str, customer: Customer) -> None:
    """As a defect would: the mirror gives something, and the facts say nothing."""
    facts.replace(
        customer=Customer.objects.for_project(customer.project_id).get(pk=customer.pk),
        source_type=source_type,
        source_id=source_id,
        drafts=[],
        at=timezone.now(),
    )


def test_a_consistent_database_has_no_findings(
    shop: Shop, alice: StripeCustomer, monthly: Price, once: Price, drain: Drain
) -> None:
    shop.subscribe(alice, monthly)
    shop.complete(shop.checkout(alice, once))
    drain()
    assert {law: check(law) for law in law_checks.LAWS} == {law: [] for law in law_checks.LAWS}


def test_missing_facts_of_a_subscription_are_restored(
    shop: Shop, alice: StripeCustomer, monthly: Price, drain: Drain
) -> None:
    shop.subscribe(alice, monthly)
    drain()
    row = Subscription.objects.for_project(shop.project).get()
    forget_facts(SourceType.SUBSCRIPTION, row.pk, row.customer)
    assert not is_allowed(shop.project)
    violations = [(f"facts of subscription {row.pk}", None)]
    assert check("subscription facts", repair=False) == violations
    assert not is_allowed(shop.project)
    assert check("subscription facts") == violations
    assert is_allowed(shop.project)
    assert check("subscription facts") == []


def test_missing_facts_of_a_purchase_are_restored(
    shop: Shop, alice: StripeCustomer, once: Price, drain: Drain
) -> None:
    checkout = shop.checkout(alice, once)
    shop.complete(checkout)
    drain()
    forget_facts(SourceType.CHECKOUT, checkout.pk, alice.customer)
    assert not is_allowed(shop.project)
    assert check("purchase facts") == [(f"facts of checkout {checkout.pk}", None)]
    assert is_allowed(shop.project)


def test_a_page_of_facts_takes_few_queries(shop: Shop, monthly: Price, drain: Drain) -> None:
    counts = []
    for number in range(3):
        shop.subscribe(shop.buyer(f"user-{number}"), monthly)
        drain()
        with CaptureQueriesContext(connection) as queries:
            assert check("subscription facts") == []
        counts.append(len(queries))
    assert counts[0] == counts[1] == counts[2] <= 16


def test_the_sums_of_a_grant_are_those_of_the_ledger(project: Project) -> None:
    grant = credit_grants.give_by_hand(
        project=project, user_id="alice", amount=100, reason="Try.", actor="t", at=timezone.now()
    )
    assert check("credit ledger") == []
    with pgtrigger.ignore():
        CreditGrant.objects.for_project(project).filter(pk=grant.pk).update(available=90, spent=10)
    [(what, error)] = check("credit ledger")
    assert what == f"credits of {grant.pk}: available 90 -> 100, spent 10 -> 0"
    assert error is not None


@pytest.fixture
def used(api: ApiClient, project: Project) -> Project:
    """Seven requests, held against a limit of ten a month."""
    meter = {"code": "requests", "name": "Requests", "aggregation": "sum"}
    assert api.post("/meters", meter).status_code == 201
    feature = {
        "code": "requests",
        "name": "Requests",
        "kind": "metered",
        "meter": "requests",
        "period": "month",
    }
    response = api.post("/features", feature)
    assert response.status_code == 201, response.json()
    http_response = api.put("/free-tier", {"features": [{"feature": "requests", "value": 10}]})
    assert http_response.status_code in (200, 204), http_response.json()
    body = {"user_id": "alice", "feature": "requests", "amount": 7}
    consumed = api.post("/entitlements/consume", body)
    assert consumed.status_code == 200, consumed.json()
    return project


def test_a_wrong_counter_is_recounted_from_the_totals(used: Project) -> None:
    assert check("usage counters") == []
    Counter.objects.for_project(used).update(used=3)
    [(what, error)] = check("usage counters", repair=False)
    assert (what.endswith("3 -> 7"), error) == (True, None)
    assert Counter.objects.for_project(used).get().used == 3
    assert len(check("usage counters")) == 1
    assert Counter.objects.for_project(used).get().used == 7


def test_a_wrong_total_is_recounted_from_the_records(used: Project) -> None:
    assert check("usage totals") == []
    Total.objects.for_project(used).update(sum=70, count=9)
    [(what, _)] = check("usage totals")
    assert what.endswith("70 -> 7")
    total = Total.objects.for_project(used).get()
    assert (int(total.sum), total.count) == (7, 1)
    assert Counter.objects.for_project(used).get().used == 7
    assert check("usage totals") == []


def test_a_total_whose_records_are_dropped_is_left_alone(used: Project) -> None:
    Total.objects.for_project(used).update(hour=timezone.now() - timedelta(days=2000))
    assert check("usage totals") == []


@pytest.mark.parametrize("aggregation", ["last", "max", "unique"])
def test_a_counter_without_totals_is_recounted_from_the_records(
    api: ApiClient, project: Project, aggregation: str
) -> None:
    meter = {"code": "seats", "name": "Seats", "aggregation": aggregation}
    assert api.post("/meters", meter).status_code == 201
    feature = {"code": "seats", "name": "Seats", "kind": "metered", "meter": "seats"}
    assert api.post("/features", {**feature, "period": "month"}).status_code == 201
    api.put("/free-tier", {"features": [{"feature": "seats", "value": 10}]})
    consumed = {"user_id": "alice", "feature": "seats", "amount": 1}
    assert api.post("/entitlements/consume", consumed).json()["code"] == "not-consumable"
    for value in ("ann", "bob", "ann") if aggregation == "unique" else (9, 5, 2):
        body = {"user_id": "alice", "meter": "seats", "value": value}
        assert api.post("/usage", body).status_code in (200, 201)
    expected = int(Counter.objects.for_project(project).get().used)
    assert expected > 0
    assert check("usage counters") == []
    Counter.objects.for_project(project).update(used=77)
    [(what, error)] = check("usage counters")
    assert (what.endswith(f"77 -> {expected}"), error) == (True, None)
    assert int(Counter.objects.for_project(project).get().used) == expected
    assert check("usage counters") == []


def test_different_values_are_counted_only_where_all_records_are_kept(
    api: ApiClient, project: Project
) -> None:
    meter = {"code": "seats", "name": "Seats", "aggregation": "unique"}
    api.post("/meters", meter)
    feature = {"code": "seats", "name": "Seats", "kind": "metered", "meter": "seats"}
    api.post("/features", {**feature, "period": "lifetime"})
    api.put("/free-tier", {"features": [{"feature": "seats", "value": 10}]})
    api.post("/entitlements/consume", {"user_id": "alice", "feature": "seats", "amount": 1})
    Counter.objects.for_project(project).update(used=77)
    assert check("usage counters") == []
