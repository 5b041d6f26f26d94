"""The object of an event: the event's type gives the kind, one field of its payload the id.

The first matching prefix decides. An object below a root is read with its root: a refund or a
charge with its payment, an invoice payment with its invoice.
"""

from typing import Any, NamedTuple

from billing.models.sync_object import ObjectKind

MAX_ID_LENGTH = 255


class Target(NamedTuple):
    """An object to be read again."""

    kind: ObjectKind
    stripe_id: str


ROUTES: tuple[tuple[str, ObjectKind, str], ...] = (
    ("customer.created", ObjectKind.CUSTOMER, "id"),
    ("customer.updated", ObjectKind.CUSTOMER, "id"),
    ("customer.deleted", ObjectKind.CUSTOMER, "id"),
    ("customer.subscription.", ObjectKind.SUBSCRIPTION, "id"),
    ("subscription_schedule.released", ObjectKind.SUBSCRIPTION, "released_subscription"),
    ("subscription_schedule.", ObjectKind.SUBSCRIPTION, "subscription"),
    ("product.", ObjectKind.PRODUCT, "id"),
    ("price.", ObjectKind.PRICE, "id"),
    ("coupon.", ObjectKind.COUPON, "id"),
    ("promotion_code.", ObjectKind.PROMOTION_CODE, "id"),
    ("checkout.session.", ObjectKind.CHECKOUT_SESSION, "id"),
    ("payment_intent.", ObjectKind.PAYMENT_INTENT, "id"),
    ("charge.", ObjectKind.PAYMENT_INTENT, "payment_intent"),
    ("refund.", ObjectKind.PAYMENT_INTENT, "payment_intent"),
    ("radar.early_fraud_warning.", ObjectKind.FRAUD_WARNING, "id"),
    ("invoice_payment.", ObjectKind.INVOICE, "invoice"),
    ("credit_note.", ObjectKind.INVOICE, "invoice"),
    ("invoice.", ObjectKind.INVOICE, "id"),
)

REFERENCES = {field for _, _, field in ROUTES}
"""Fields that hold the id of a root."""


def target(event_type: str, body: dict[str, Any]) -> Target | None:
    """The object that an event of this type is about, given ``data.object``.

    None for a type that is not mirrored, and for a body without the id of a root: an upcoming
    invoice has no id, an old charge no payment intent.
    """
    for prefix, kind, field in ROUTES:
        if event_type.startswith(prefix):
            stripe_id = _reference(body.get(field))
            return Target(kind, stripe_id) if stripe_id is not None else None
    return None


def customer(body: dict[str, Any]) -> str:
    """Stripe's id of the customer that the object is or names; empty without one."""
    return _reference(body.get("id" if body.get("object") == "customer" else "customer")) or ""


def keep_ids(body: dict[str, Any]) -> dict[str, str]:
    """Reduce an object to its kind and the ids by which it can be read again."""
    ids = {field: _reference(body.get(field)) for field in sorted(REFERENCES)}
    kind = _reference(body.get("object"))
    members = {"object": kind, **ids, "customer": _reference(body.get("customer"))}
    return {name: value for name, value in members.items() if value is not None}


def _reference(value: Any) -> str | None:
    """The id in a field that holds an id or the object itself."""
    if isinstance(value, dict):
        value = value.get("id")
    if isinstance(value, str) and value.isprintable() and 0 < len(value) <= MAX_ID_LENGTH:
        return value
    return None
