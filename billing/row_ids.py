"""The ids of a row that log lines about it carry (:mod:`common.log_fields`)."""

from typing import Any

from django.db.models import Model

from billing.models import Checkout, Invoice, Payment, Refund, Subscription
from common import log_fields

SHIPMENT, WORKFLOW = "shipment_id", "workflow_id"
"""The names under which tenants give us theirs: the shipment in the metadata."""
_NAMES: dict[type[Model], str] = {
    Checkout: "checkout",
    Invoice: "invoice",
    Payment: "payment",
    Refund: "refund",
    Subscription: "subscription",
}
_OTHERS = ("checkout_id", "invoice_stripe_id", "payment_id", "subscription_id", WORKFLOW)
"""Columns that name a related row, or the tenant's workflow."""
_OF_SUBJECT = {
    "chk": "checkout_id",
    "pay": "payment_id",
    "ref": "refund_id",
    "sub": "subscription_id",
}


def log(row: Model) -> None:
    """Log these ids with the further lines of this request or sync. Rows of other kinds have
    none."""
    name = _NAMES.get(type(row))
    if name is None:
        return
    values: dict[str, Any] = row.__dict__
    ids = {column: values[column] for column in _OTHERS if values.get(column)}
    ids |= {f"{name}_id": row.pk, f"{name}_stripe_id": values.get("stripe_id")}
    shipment = (values.get("metadata") or {}).get(SHIPMENT)
    if isinstance(shipment, str):
        ids[SHIPMENT] = shipment
    log_fields.add(**ids)


def log_subject(subject: str) -> None:
    """The same for a row of which only the id is known."""
    name = _OF_SUBJECT.get(subject.partition("_")[0])
    if name is not None:
        log_fields.add(**{name: subject})
