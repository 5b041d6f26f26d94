"""Every event type of Stripe names the object to read, or none."""

from typing import get_args

import pytest
from stripe import Event

from billing.models.sync_object import ObjectKind
from webhooks.routing import ROUTES, target

TYPES: tuple[str, ...] = get_args(Event.__annotations__["type"])
"""As the SDK of the pinned API version lists them."""


def target_of(type_: str, **body: object) -> tuple[ObjectKind, str] | None:
    return target(type_, body)


def test_every_event_type_of_the_sdk_is_listed() -> None:
    assert len(TYPES) > 200
    assert {"invoice.paid", "charge.dispute.created", "customer.subscription.paused"} <= set(TYPES)


@pytest.mark.parametrize("prefix", [prefix for prefix, _, _ in ROUTES])
def test_every_route_has_types(prefix: str) -> None:
    assert any(type_.startswith(prefix) for type_ in TYPES)


def test_events_about_parts_name_the_parent_object() -> None:
    assert target_of("refund.updated", id="re_1", payment_intent="pi_1") == (
        ObjectKind.PAYMENT_INTENT,
        "pi_1",
    )
    assert target_of("charge.refunded", id="ch_1", payment_intent="pi_1") == (
        ObjectKind.PAYMENT_INTENT,
        "pi_1",
    )
    assert target_of("charge.dispute.created", id="du_1", payment_intent={"id": "pi_1"}) == (
        ObjectKind.PAYMENT_INTENT,
        "pi_1",
    )
    assert target_of("invoice_payment.paid", id="inpay_1", invoice="in_1") == (
        ObjectKind.INVOICE,
        "in_1",
    )
    assert target_of("customer.subscription.deleted", id="sub_1") == (
        ObjectKind.SUBSCRIPTION,
        "sub_1",
    )
    assert target_of("checkout.session.completed", id="cs_1") == (
        ObjectKind.CHECKOUT_SESSION,
        "cs_1",
    )


@pytest.mark.parametrize(
    "type_",
    ["customer.source.created", "customer.tax_id.created", "customer.discount.created",
     "invoiceitem.created", "subscription_schedule.created", "payment_method.attached",
     "setup_intent.succeeded", "charge.failed", "invoice.upcoming"],
)  # fmt: skip
def test_unmirrored_types_name_no_object(type_: str) -> None:
    """They are not mirrored, or (a charge of old, an upcoming invoice) have no root to read."""
    body: dict[str, object] = {"id": "x_1", "payment_intent": None}
    if type_ == "invoice.upcoming":
        body.pop("id")
    assert target(type_, body) is None
