"""What changes about a customer in Stripe's dashboard has an event."""

from collections.abc import Callable

from billing.models import StripeCustomer
from billing.sync import service as sync
from projects.models import Customer, Project
from sandbox.world import DEFAULT_SECRET_KEY
from tests.billing import outbox_events
from tests.billing.tenant import Tenant
from tests.sandbox_stripe import Clock

Drain = Callable[[], None]
NOUN = "stripe_customer."


def buyer(tenant: Tenant, project: Project, drain: Drain) -> StripeCustomer:
    tenant.sell(tenant.price(interval=None))
    drain()
    return StripeCustomer.objects.for_project(project).get()


def test_a_changed_balance(tenant: Tenant, project: Project, drain: Drain, clock: Clock) -> None:
    row = buyer(tenant, project, drain)
    assert outbox_events.types(project, NOUN) == []
    v1 = tenant.stripe.client(DEFAULT_SECRET_KEY).v1
    version = Customer.objects.for_project(project).get().version
    v1.customers.balance_transactions.create(
        str(row.stripe_id), {"amount": -500, "currency": "usd"}
    )
    for _ in range(2):
        drain()
        sync.now(account=row.account, kind="customer", stripe_id=str(row.stripe_id), at=clock.now)
    (event,) = outbox_events.events(project, NOUN)
    customer = Customer.objects.for_project(project).get()
    assert (event.type, event.subject) == ("stripe_customer.balance_changed", row.pk)
    assert (event.customer_id, event.version) == (customer.pk, version + 1)
    assert customer.version == version + 1
    assert event.data == {
        "id": row.pk,
        "customer": customer.pk,
        "user_id": "alice",
        "stripe_id": row.stripe_id,
        "balance": {"amount": -500, "currency": "usd"},
        "delinquent": False,
        "deleted_at": None,
    }
    assert event.previous["balance"] in (None, {"amount": 0, "currency": "usd"})


def test_a_customer_deleted_at_stripe(tenant: Tenant, project: Project, drain: Drain) -> None:
    row = buyer(tenant, project, drain)
    tenant.stripe.client(DEFAULT_SECRET_KEY).v1.customers.delete(str(row.stripe_id))
    drain()
    drain()
    (event,) = outbox_events.events(project, NOUN)
    assert event.type == "stripe_customer.deleted"
    assert event.data["deleted_at"] is not None
    assert event.previous == {"deleted_at": None}


def test_an_erased_customer_has_no_further_event(
    tenant: Tenant, project: Project, drain: Drain
) -> None:
    buyer(tenant, project, drain)
    assert tenant.api.delete("/customers/alice").status_code in (200, 202, 204)
    drain()
    assert outbox_events.types(project, NOUN) == []
