"""LogiSynapse's ``billing.BillingService``: an invoice is a payment of the type intent.

The payment's ``workflow_id`` names the workflow, its metadata the shipment, and its reference both,
which makes it the only one of the two for ever.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import orjson
from django.db import connections
from django.utils import timezone
from google.protobuf.message import Message
from rest_framework.exceptions import ValidationError

from billing.models.payment import PaymentType
from billing.payments.selectors import shipment_payments
from billing.representation.shipments import STATUSES
from common.errors import NotFound
from projects.keys.api.authentication import find_caller
from projects.keys.scopes import KeyScope
from projects.models import Project
from rpc import call_results, messages, requests
from rpc.call_results import CallResult
from rpc.requests import CallMetadata, HttpAnswer
from rpc.unary import UnaryMethod

EXPIRES_IN = 24 * 3600
MAX_REFERENCE = 255
FIELDS = {
    "user_id": "customer_id",
    "amount.amount": "amount",
    "amount.currency": "amount",
    "metadata": "shipment_id",
    "reference": "shipment_id",
}
"""The plan's names of a payment's fields."""


class CreateInvoiceMethod(UnaryMethod):
    """``CreateInvoice``."""

    def answer(self, data: bytes, metadata: CallMetadata) -> CallResult:
        invoice: Any = messages.parse(self._request_class, data)
        _require(invoice, "workflow_id", "shipment_id", "customer_id")
        project = _project_of(metadata, KeyScope.PAYMENTS_WRITE)
        currency = project.default_currency if project else ""
        if project and not currency:
            raise ValidationError({"amount": ["The project has no default currency."]})
        body = {
            "type": PaymentType.INTENT.value,
            "user_id": invoice.customer_id,
            "amount": {"amount": invoice.amount, "currency": currency},
            "reference": reference_of(invoice.workflow_id, invoice.shipment_id),
            "workflow_id": invoice.workflow_id,
            "metadata": {shipment_payments.SHIPMENT: invoice.shipment_id},
            "expires_in": EXPIRES_IN,
        }
        request = replace(self._route.empty_request(), body=body)
        return _outcome(self, requests.send(request, metadata))


class GetInvoiceMethod(UnaryMethod):
    """``GetInvoice``."""

    def answer(self, data: bytes, metadata: CallMetadata) -> CallResult:
        request_message: Any = messages.parse(self._request_class, data)
        _require(request_message, "shipment_id")
        project = _project_of(metadata, KeyScope.PAYMENTS_READ)
        request = self._route.empty_request()
        if project is not None:
            request = self._route.request(
                {"id": _find_payment(project, request_message.shipment_id)}
            )
        return _outcome(self, requests.send(request, metadata))


def reference_of(workflow_id: str, shipment_id: str) -> str:
    """The reference of the payment: both ids, or their digest if they are too long."""
    reference = f"{quote(workflow_id, safe='')}/{quote(shipment_id, safe='')}"
    if len(reference) <= MAX_REFERENCE:
        return reference
    return f"sha256:{hashlib.sha256(reference.encode()).hexdigest()}"


def invoice_values(payment: Mapping[str, Any]) -> dict[str, Any]:
    """The plan's invoice of a payment's body."""
    return {
        **payment,
        "shipment_id": payment["metadata"].get(shipment_payments.SHIPMENT),
        "customer_id": payment["user_id"],
        "amount": payment["amount"]["amount"],
        "currency": payment["amount"]["currency"],
        "status": STATUSES[payment["status"]],
        "stripe_client_secret": payment["client_secret"],
    }


def _outcome(method: UnaryMethod, answer: HttpAnswer) -> CallResult:
    if not answer.is_success:
        return call_results.refused(answer, fields=FIELDS)
    message = method.build(invoice_values(orjson.loads(answer.body)))
    return CallResult(message, metadata=answer.metadata)


def _require(message: Message, *names: str) -> None:
    """Raise ValidationError for fields without a value, or with NUL, which PostgreSQL refuses."""
    errors = {}
    for name in names:
        value = getattr(message, name)
        if not value:
            errors[name] = ["This field is required."]
        elif "\0" in value:
            errors[name] = ["Text may not hold NUL characters."]
    if errors:
        raise ValidationError(errors)


def _project_of(metadata: CallMetadata, scope: str) -> Project | None:
    """The calling key's project; None if the view refuses the key."""
    try:
        caller = find_caller(metadata.authorization, scope=scope, at=timezone.now())
    finally:
        connections.close_all()
    return None if caller is None else caller.project


def _find_payment(project: Project, shipment_id: str) -> str:
    """Id of the shipment's newest payment. Raises NotFound."""
    try:
        payment = shipment_payments.find_newest(project=project, shipment_id=shipment_id)
    finally:
        connections.close_all()
    if payment is None:
        raise NotFound("No invoice of this shipment.")
    return str(payment.pk)
