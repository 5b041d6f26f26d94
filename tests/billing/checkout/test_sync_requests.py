"""The return from a page: few requests to Stripe, and whatever is in the way is read by itself."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from billing.models import StripeAccount, SyncObject
from billing.sync import interactive_reads, sync_queue
from billing.sync import service as sync
from tests.billing.checkout.page_calls import AFTER_ALL_TRIES, once_at
from tests.billing.tenant import Json, Tenant

Drain = Callable[[], None]


@pytest.fixture
def paths(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is asked of Stripe from here on, without ids."""
    seen: list[str] = []
    send = tenant.stripe.transport.request

    def request(method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        path = url.partition("?")[0].split("/v1/")[1]
        seen.append(f"{method} {re.sub('/[a-z]{2,6}_[^/]+', '', path)}")
        return send(method, url, *args, **kwargs)

    monkeypatch.setattr(tenant.stripe.transport, "request", request)
    return seen


def states(*kinds: str) -> list[str]:
    """State of the only object of each kind."""
    return [SyncObject.objects.get(kind=kind).state for kind in kinds]


def paid_page(tenant: Tenant, price: Json) -> Json:
    page = tenant.open(price)
    tenant.pay(page)
    return page


def test_a_subscription_takes_three_requests(
    tenant: Tenant, monthly_plan: Json, paths: list[str]
) -> None:
    page = paid_page(tenant, monthly_plan)
    paths.clear()
    body = tenant.sync(page)
    assert body["status"] == "complete"
    assert paths == ["get checkout/sessions", "get invoices", "get payment_intents"]
    assert states("subscription", "invoice", "payment_intent") == ["applied"] * 3


def test_an_item_takes_two_requests(tenant: Tenant, paths: list[str]) -> None:
    page = paid_page(tenant, tenant.price(tenant.product(), interval=None))
    paths.clear()
    assert tenant.sync(page)["status"] == "complete"
    assert paths == ["get checkout/sessions", "get payment_intents"]


def test_an_event_during_the_request_is_read_afterwards(
    tenant: Tenant, monthly_plan: Json, drain: Drain
) -> None:
    """The answer may be older than the event."""
    page = paid_page(tenant, monthly_plan)
    (invoice,) = tenant.at_stripe("invoice")
    with once_at(tenant, f"/invoices/{invoice['id']}", tenant.stripe.deliver, method="GET"):
        assert tenant.sync(page)["status"] == "complete"
    assert states("subscription", "invoice") == ["waiting"] * 2
    drain()
    assert states("subscription", "invoice") == ["applied"] * 2


def test_what_another_worker_reads_is_waited_for(
    tenant: Tenant, account: StripeAccount, monthly_plan: Json, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = paid_page(tenant, monthly_plan)
    (subscription,) = tenant.at_stripe("subscription")
    sync_id, _ = sync.request_sync(
        account_id=account.pk, kind="subscription", stripe_id=subscription["id"]
    )
    held = sync_queue.claim_object(account=account, sync_id=sync_id)
    assert held is not None
    monkeypatch.setattr(interactive_reads, "INTERACTIVE_WAIT_SECONDS", 0.2)
    refusal = tenant.api.post(f"/checkout/{page['id']}/sync")
    assert (refusal.status_code, refusal.headers.get("Retry-After") is None) == (503, False)
    assert not SyncObject.objects.filter(kind="invoice", leased_until__isnull=False).exists()
    assert sync.store(held, sync.read(held), at=timezone.now())
    assert tenant.sync(page)["status"] == "complete"
    assert states("subscription", "invoice") == ["applied"] * 2


def test_objects_stay_due_while_stripe_fails(tenant: Tenant, monthly_plan: Json) -> None:
    page = paid_page(tenant, monthly_plan)
    tenant.stripe.fail("error_before", method="GET", path="/v1/invoices/*", times=AFTER_ALL_TRIES)
    assert tenant.api.post(f"/checkout/{page['id']}/sync").status_code == 503
    rows = SyncObject.objects.filter(kind__in=["subscription", "invoice"])
    assert list(rows.values_list("applied", "attempts", "leased_until")) == [(0, 0, None)] * 2
    assert tenant.sync(page)["status"] == "complete"


def test_a_page_takes_one_request_and_for_a_new_buyer_two(
    tenant: Tenant, monthly_plan: Json, paths: list[str]
) -> None:
    tenant.open(monthly_plan)
    assert paths == ["post customers", "post checkout/sessions"]
    paths.clear()
    tenant.open(tenant.price(tenant.product("Another")))
    assert paths[-1:] == ["post checkout/sessions"]
    assert "post customers" not in paths
