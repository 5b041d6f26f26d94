"""Events of an invoice from its draft on."""

from collections.abc import Callable

import pytest

from projects.models import Project
from tests.billing import outbox_events
from tests.billing.tenant import Json, Tenant
from tests.sandbox_stripe import Clock

Drain = Callable[[], None]


@pytest.fixture
def draft(tenant: Tenant, clock: Clock, drain: Drain) -> Json:
    """The draft of a renewal, which Stripe finalizes an hour later."""
    tenant.sell(tenant.price())
    drain()
    clock.advance(days=30, minutes=5)
    drain()
    (row,) = [
        each
        for each in tenant.api.get("/invoices").json()["data"]
        if each["billing_reason"] == "subscription_cycle"
    ]
    assert row["status"] == "draft"
    return dict(row)


def types_of(project: Project, invoice: Json) -> list[str]:
    events = outbox_events.events(project, "invoice.")
    return [row.type for row in events if row.subject == invoice["id"]]


def test_a_draft_grows_and_is_finalized_once(
    tenant: Tenant, project: Project, draft: Json, clock: Clock, drain: Drain
) -> None:
    assert types_of(project, draft) == ["invoice.drafted"]
    (customer,) = tenant.at_stripe("customer")
    tenant.stripe.v1.invoice_items.create(
        {
            "customer": customer["id"],
            "amount": 500,
            "currency": "usd",
            "invoice": draft["stripe_id"],
        }
    )
    drain()
    assert types_of(project, draft) == ["invoice.drafted", "invoice.updated"]
    total = draft["total"]["amount"]
    assert outbox_events.changed(project, "invoice.updated")["total"]["amount"] == total
    clock.advance(hours=2)
    drain()
    assert types_of(project, draft) == [
        "invoice.drafted",
        "invoice.updated",
        "invoice.finalized",
        "invoice.paid",
    ]
    finalized = outbox_events.last(project, "invoice.finalized")
    assert finalized.data["total"]["amount"] == total + 500
    assert finalized.previous["status"] == "draft"


def test_a_deleted_draft_is_never_finalized(tenant: Tenant, project: Project, drain: Drain) -> None:
    tenant.sell(tenant.price())
    (customer,) = tenant.at_stripe("customer")
    draft = tenant.stripe.v1.invoices.create({"customer": customer["id"]})
    drain()
    tenant.stripe.v1.invoices.delete(draft.id)
    drain()
    (row,) = [
        each for each in tenant.api.get("/invoices").json()["data"] if each["stripe_id"] == draft.id
    ]
    assert row["status"] == "deleted"
    assert types_of(project, row) == ["invoice.drafted", "invoice.updated"]
