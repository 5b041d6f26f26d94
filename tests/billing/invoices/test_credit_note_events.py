"""Events of credit notes."""

from collections.abc import Callable

from projects.models import Project
from tests.billing import outbox_events
from tests.billing.tenant import Json, Tenant
from tests.sandbox_stripe import Clock

Drain = Callable[[], None]


def invoices(tenant: Tenant) -> list[Json]:
    return list(tenant.api.get("/invoices").json()["data"])


def test_a_credit_note_is_one_event(tenant: Tenant, project: Project, drain: Drain) -> None:
    tenant.sell(tenant.price())
    drain()
    (invoice,) = invoices(tenant)
    note = tenant.stripe.v1.credit_notes.create(
        {"invoice": invoice["stripe_id"], "amount": 900, "refund_amount": 900}
    )
    drain()
    (event,) = outbox_events.events(project, "invoice.credited")
    (shown,) = invoices(tenant)
    assert event.data["credit_notes"] == shown["credit_notes"]
    assert event.data["amount_credited"] == {"amount": 900, "currency": "usd"}
    assert event.previous["credit_notes"] == []
    assert (event.subject, event.customer_id) == (invoice["id"], invoice["customer"])
    (before,) = outbox_events.events(project, "invoice.paid")
    assert event.version > before.version
    assert "payment.refund_succeeded" in outbox_events.types(project)
    tenant.stripe.v1.credit_notes.update(note.id, {"memo": "For the outage."})
    drain()
    assert outbox_events.types(project, "invoice.credit") == ["invoice.credited"]


def test_a_voided_credit_note_counts_no_more(
    tenant: Tenant, project: Project, clock: Clock, drain: Drain
) -> None:
    tenant.sell(tenant.price())
    drain()
    (customer,) = tenant.at_stripe("customer")
    tenant.stripe.decline_payments(customer["id"])
    clock.advance(days=32)
    drain()
    (owed,) = [each for each in invoices(tenant) if each["status"] == "open"]
    note = tenant.stripe.v1.credit_notes.create({"invoice": owed["stripe_id"], "amount": 400})
    drain()
    tenant.stripe.v1.credit_notes.void_credit_note(note.id)
    drain()
    credited, voided = outbox_events.events(project, "invoice.credit")
    assert (credited.type, voided.type) == ("invoice.credited", "invoice.credit_note_voided")
    assert voided.data["credit_notes"][0]["status"] == "void"
    assert voided.previous["credit_notes"][0]["status"] == "issued"
    assert voided.previous["amount_credited"]["amount"] == 400
