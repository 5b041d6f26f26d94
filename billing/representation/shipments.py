"""Payments of shipments in the three words of LogiSynapse's plan."""

from collections.abc import Mapping
from typing import Literal

from billing.models import Payment
from billing.models.payment import PaymentStatus

ShipmentStatus = Literal["PENDING", "PAID", "FAILED"]
STATUSES: Mapping[str, ShipmentStatus] = {
    PaymentStatus.PENDING: "PENDING",
    PaymentStatus.PROCESSING: "PENDING",
    PaymentStatus.REQUIRES_ACTION: "PENDING",
    PaymentStatus.PAID: "PAID",
    PaymentStatus.REFUNDED: "PAID",
    PaymentStatus.PARTIALLY_REFUNDED: "PAID",
    PaymentStatus.DISPUTED: "PAID",
    PaymentStatus.FAILED: "FAILED",
    PaymentStatus.EXPIRED: "FAILED",
    PaymentStatus.CANCELED: "FAILED",
}
"""PAID: the money was received, also if it was returned later. FAILED: nobody can pay it any more,
or the last attempt failed."""


def shipment_status(row: Payment) -> ShipmentStatus:
    return STATUSES[row.status]
