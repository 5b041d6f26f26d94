"""Invoice payments: the links between invoices and the payment intents that pay them."""

from __future__ import annotations

from stripe.params import InvoicePaymentListParams, InvoicePaymentRetrieveParams

from sandbox.errors import missing_param
from sandbox.objects import Object, Params
from sandbox.pagination import embed_list, list_page
from sandbox.routing import Routes
from sandbox.transaction import Transaction

routes = Routes()


@routes.get("/v1/invoice_payments/<id>", InvoicePaymentRetrieveParams)
def retrieve(tx: Transaction, params: Params, payment_id: str) -> Object:
    return tx.path_object("invoice_payment", payment_id)


@routes.get("/v1/invoice_payments", InvoicePaymentListParams)
def list_(tx: Transaction, params: Params) -> Object:
    payment = params.get("payment")
    if payment and payment["type"] not in payment:
        raise missing_param(f"payment[{payment['type']}]")

    def wanted(body: Object) -> bool:
        return (
            body["invoice"] == params.get("invoice", body["invoice"])
            and body["status"] == params.get("status", body["status"])
            and (not payment or body["payment"].get(payment["type"]) == payment[payment["type"]])
        )

    return list_page(tx, "invoice_payment", params, url="/v1/invoice_payments", where=wanted)


@routes.includable("invoice", "payments")
def include_payments(tx: Transaction, invoice: Object) -> Object:
    invoice_payments = tx.list_with("invoice_payment", "invoice", invoice["id"])
    return embed_list(invoice_payments, url=f"/v1/invoice_payments?invoice={invoice['id']}")


@routes.includable("invoice", "confirmation_secret")
def include_confirmation_secret(tx: Transaction, invoice: Object) -> Object | None:
    for payment in tx.list_with("invoice_payment", "invoice", invoice["id"]):
        intent = tx.get("payment_intent", payment["payment"]["payment_intent"])
        if intent and payment["is_default"]:
            return {"client_secret": intent["client_secret"], "type": "payment_intent"}
    return None


def find_or_create(tx: Transaction, invoice: Object, intent: Object) -> Object:
    """The link between invoice and intent; inserted if it is missing."""
    existing = tx.list_objects(
        "invoice_payment",
        lambda payment: payment["payment"].get("payment_intent") == intent["id"],
    )
    return existing[0] if existing else tx.insert(_build_payment(tx, invoice, intent))


def mark_payment_paid(tx: Transaction, payment: Object, amount: int) -> None:
    """Mark the link as paid. The caller emits the event last, as Stripe does."""
    payment |= {"amount_paid": amount, "status": "paid"}
    payment["status_transitions"]["paid_at"] = tx.now


def _build_payment(tx: Transaction, invoice: Object, intent: Object) -> Object:
    return {
        "id": tx.new_id("inpay"),
        "object": "invoice_payment",
        "amount_paid": None,
        "amount_requested": intent["amount"],
        "created": tx.now,
        "currency": invoice["currency"],
        "invoice": invoice["id"],
        "is_default": True,
        "livemode": False,
        "payment": {"payment_intent": intent["id"], "type": "payment_intent"},
        "status": "open",
        "status_transitions": {"canceled_at": None, "paid_at": None},
    }
