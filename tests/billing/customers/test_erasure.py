"""After an erasure no table, cache or log holds a byte of the person."""

import logging
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone
from redis import Redis

from billing.models import Payment, StripeAccount, Subscription
from billing.sync import service as sync
from entitlements.models import CreditEntry
from projects.models import Customer, IdempotencyKey, Project
from tests.billing.tenant import HOME, Json, Tenant
from usage.models import Record
from webhooks.models import InboundEvent
from webhooks.services import erasure as event_erasure
from webhooks.services import replay

MARK = "zqwonderland"
"""In everything that is the person's, and in nothing else."""
USER_ID = f"ada-{MARK}"
PERSON = {
    "user_id": USER_ID,
    "email": f"ada@{MARK}.example.com",
    "name": f"Ada {MARK.title()}",
    "metadata": {"home": MARK, MARK: "home"},
}
TEXTS = {"metadata": {"for": f"Ada of {MARK}"}}
THANKS = {"success_url": f"{HOME}/thanks?user={USER_ID}"}
Drain = Callable[[], None]


def tables_with_traces() -> set[str]:
    """Every table of the database, however it came there, with a row that tells of the person:
    in text of any case, in JSON, or in bytes, which ``row::text`` writes as hex."""
    forms = [MARK, *(form.encode().hex() for form in (MARK, MARK.title(), MARK.upper()))]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT quote_ident(relname) FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace "
            "WHERE relkind IN ('r', 'p') AND nspname = 'public' AND NOT relispartition"
        )
        tables = set()
        for (table,) in cursor.fetchall():
            cursor.execute(
                f"SELECT EXISTS (SELECT FROM {table} r WHERE lower(r::text) LIKE ANY (%s))",
                [[f"%{form}%" for form in forms]],
            )
            if cursor.fetchone()[0]:
                tables.add(table)
    return tables


READS: dict[Any, Callable[[Any, bytes], Any]] = {
    b"string": lambda client, key: client.get(key),
    b"hash": lambda client, key: client.hgetall(key),
    b"list": lambda client, key: client.lrange(key, 0, -1),
    b"set": lambda client, key: client.smembers(key),
    b"zset": lambda client, key: client.zrange(key, 0, -1),
    b"stream": lambda client, key: client.xrange(key),
    b"none": lambda client, key: None,
}
"""By type; a key that has expired since it was listed has none."""


def kept_in_redis() -> list[bytes]:
    """Keys that tell of the person, or whose value does."""
    client = Redis.from_url(settings.REDIS_URL)
    held = {key: READS[client.type(key)](client, key) for key in client.scan_iter(count=1000)}
    return [key for key, value in held.items() if MARK in f"{key!r} {value!r}".lower()]


@pytest.fixture
def ada(tenant: Tenant, project: Project, drain: Drain) -> Json:
    """A customer of whom something is known in every way that a tenant and Stripe have."""
    response_body = tenant.api.post("/customers", PERSON).json()
    feature = tenant.feature(project, code="sso")
    product = tenant.product(features=[{"feature": "sso", "value": True}])
    checkout = tenant.sell(tenant.price(product), USER_ID, **TEXTS, **THANKS)
    new_checkout = tenant.sell(tenant.price(product, interval=None), USER_ID, **TEXTS, **THANKS)
    cart = tenant.cart(tenant.price(product, interval=None), user_id=USER_ID, **TEXTS)
    amount = {"amount": {"amount": 500, "currency": "usd"}, "description": f"For {USER_ID}"}
    reason = {"reason": f"{USER_ID} asked for it."}
    for number, (path, body) in enumerate(
        (
            ("/payments", {"user_id": USER_ID, **amount, **TEXTS}),
            (f"/payments/{new_checkout['payment']}/refunds", {"amount": 100, **TEXTS}),
            ("/admin/grant", {"user_id": USER_ID, "feature": feature.code, **reason}),
            (f"/credits/{USER_ID}/grant", {"amount": 100, **reason}),
            (f"/credits/{USER_ID}/spend", {"amount": 1}),
            ("/usage", {"user_id": USER_ID, "meter": tenant.meter()["code"], "value": 5}),
        )
    ):
        answer = tenant.api.post(path, body, headers={"Idempotency-Key": f"order-{number}"})
        assert answer.status_code < 300, answer.content
    [grant] = tenant.api.get("/admin/grants").json()["data"]
    tenant.api.post("/admin/revoke", {"grant_id": grant["id"], **reason})
    tenant.api.patch(f"/customers/{USER_ID}", {"name": f"Ada King {MARK}"})
    tenant.api.get("/entitlements/check", query={"user_id": USER_ID, "feature": "sso"})
    drain()
    assert checkout["status"] == "complete"
    assert cart["id"]
    return dict(response_body)


def erase(tenant: Tenant) -> None:
    body = {"cancel_subscriptions": "true"}
    assert tenant.api.delete(f"/customers/{USER_ID}", query=body).status_code == 200


def test_no_table_cache_or_log_holds_the_erased_person(
    tenant: Tenant,
    ada: Json,
    project: Project,
    drain: Drain,
    caplog: pytest.LogCaptureFixture,
) -> None:
    tables = tables_with_traces()
    assert tables >= {
        "billing_cart", "billing_checkout", "billing_payment", "billing_refund",
        "billing_stripecustomer", "billing_stripeintent", "entitlements_creditgrant",
        "entitlements_grant", "events_auditentry", "events_outboxevent", "projects_customer",
        "webhooks_inboundevent",
    }  # fmt: skip
    caplog.set_level(logging.DEBUG)
    caplog.clear()

    erase(tenant)
    drain()  # Stripe tells us once more, with name and address
    event_erasure.forget_late(at=timezone.now())

    assert tables_with_traces() == set()
    assert kept_in_redis() == []
    assert MARK not in caplog.text.lower()
    assert MARK not in str([record.__dict__ for record in caplog.records]).lower()


def test_objects_that_stripe_keeps_do_not_restore_the_person(
    tenant: Tenant, ada: Json, project: Project, account: StripeAccount, drain: Drain
) -> None:
    erase(tenant)
    drain()
    event_erasure.forget_late(at=timezone.now())
    at = timezone.now()
    for model, kind in ((Payment, "payment_intent"), (Subscription, "subscription")):
        for row in model.objects.for_project(project).exclude(stripe_id=None):
            sync.now(account=account, kind=kind, stripe_id=str(row.stripe_id), at=at)
    assert tables_with_traces() == set()


def test_financial_rows_stay_after_an_erasure(
    tenant: Tenant, ada: Json, project: Project, drain: Drain
) -> None:
    def financial_rows() -> list[Any]:
        columns = ("pk", "stripe_id", "amount", "amount_received", "amount_refunded", "paid_at")
        return [
            list(Payment.objects.for_project(project).order_by("pk").values(*columns)),
            list(CreditEntry.objects.for_project(project).order_by("pk").values()),
            list(Record.objects.for_project(project).values("customer_id", "value")),
            [
                {name: each[name] for name in ("id", "total", "amount_paid", "number")}
                for each in tenant.api.get("/invoices").json()["data"]
            ],
        ]

    before = financial_rows()
    erase(tenant)
    drain()
    assert financial_rows() == before
    assert Customer.objects.for_project(project).get().user_id == ada["id"]


def test_an_event_can_still_be_replayed(tenant: Tenant, ada: Json, drain: Drain) -> None:
    rows = InboundEvent.objects.exclude(customer_stripe_id="")
    before = {row.pk: row.stripe_object_id for row in rows}
    erase(tenant)
    event = rows.filter(type="checkout.session.completed").first()
    assert event is not None
    assert event.erased_at is not None
    again = replay.replay(event=event, actor="operator:x", at=timezone.now())
    assert again.stripe_object_id == before[event.pk]


def test_another_project_of_the_account_keeps_the_same_person(
    tenant: Tenant, neighbour: Tenant, ada: Json, other_project: Project, drain: Drain
) -> None:
    neighbour.api.post("/customers", PERSON)
    neighbour.sell(neighbour.price(), USER_ID, **TEXTS)
    drain()
    erase(tenant)
    drain()
    event_erasure.forget_late(at=timezone.now())
    kept = Customer.objects.for_project(other_project).get()
    assert (kept.user_id, kept.email) == (USER_ID, PERSON["email"])
    assert "webhooks_inboundevent" in tables_with_traces()
    assert IdempotencyKey.objects.for_project(other_project).count() == 0
