"""Routes of invoices."""

from __future__ import annotations

from stripe.params import (
    InvoiceCreateParams,
    InvoiceDeleteParams,
    InvoiceFinalizeInvoiceParams,
    InvoiceLineItemListParams,
    InvoiceListParams,
    InvoiceMarkUncollectibleParams,
    InvoicePayParams,
    InvoiceRetrieveParams,
    InvoiceUpdateParams,
    InvoiceVoidInvoiceParams,
)

from sandbox import event_order, payments
from sandbox.billing import collection, discounts, invoices, subscription_status, taxes
from sandbox.billing.discounts import DiscountChoice
from sandbox.billing.invoices import DraftRequest
from sandbox.errors import StripeFailure, invalid, missing_param, refuse_unsupported
from sandbox.objects import Object, Params, assign, merge_metadata
from sandbox.pagination import is_in_range, list_page
from sandbox.resources import payment_methods
from sandbox.routing import Routes
from sandbox.transaction import Transaction

routes = Routes()

COPIED_PARAMS = ("custom_fields", "description", "footer", "statement_descriptor")
SUPPORTED = {
    *COPIED_PARAMS,
    "auto_advance",
    "automatic_tax",
    "collection_method",
    "currency",
    "customer",
    "default_payment_method",
    "discounts",
    "metadata",
    "pending_invoice_items_behavior",
    "subscription",
}


@routes.post("/v1/invoices", InvoiceCreateParams)
def create(tx: Transaction, params: Params) -> Object:
    _check_supported(params)
    if "customer" not in params:
        raise missing_param("customer")
    customer = tx.param_object("customer", params["customer"], param="customer")
    subscription = None
    if "subscription" in params:
        id = params["subscription"]
        subscription = tx.param_object("subscription", id, param="subscription")
    request = DraftRequest(
        customer=customer,
        currency=str(params.get("currency") or customer["currency"] or "usd").lower(),
        billing_reason="manual",
        subscription=subscription,
        auto_advance=params.get("auto_advance", False),
        invoice_items=None if params.get("pending_invoice_items_behavior") == "include" else [],
        discount_choices=_read_discounts(tx, customer["id"], params),
        automatic_tax=params.get("automatic_tax", {}).get("enabled"),
    )
    fields = {name: params[name] for name in COPIED_PARAMS if params.get(name)}
    invoice = invoices.create_draft(tx, request, **fields)
    _apply_params(tx, invoice, params)
    return invoice


@routes.get("/v1/invoices/<id>", InvoiceRetrieveParams)
def retrieve(tx: Transaction, params: Params, invoice_id: str) -> Object:
    return tx.path_object("invoice", invoice_id)


@routes.post("/v1/invoices/<id>", InvoiceUpdateParams)
def update(tx: Transaction, params: Params, invoice_id: str) -> Object:
    _check_supported(params)
    invoice = tx.path_object("invoice", invoice_id)
    frozen = set(params) - {"metadata", "auto_advance", "default_payment_method"}
    if frozen and invoice["status"] != "draft":
        raise _unexpected_state(
            "Finalized invoices can't be updated in this way", code="invoice_not_editable"
        )
    with tx.updating(invoice, "invoice.updated"):
        assign(invoice, params, *COPIED_PARAMS)
        choices = _read_discounts(tx, invoice["customer"], params)
        if choices is not None:
            discounts.replace_discounts(tx, invoice, choices)
        if "automatic_tax" in params:
            _set_automatic_tax(invoice, enabled=params["automatic_tax"]["enabled"])
        if choices is not None or "automatic_tax" in params:
            invoices.compute_amounts(tx, invoice)
        _apply_params(tx, invoice, params)
    return invoice


@routes.get("/v1/invoices", InvoiceListParams)
def list_(tx: Transaction, params: Params) -> Object:
    def wanted(invoice: Object) -> bool:
        details = (invoice["parent"] or {}).get("subscription_details") or {}
        return (
            all(
                invoice[name] == params.get(name, invoice[name])
                for name in ("collection_method", "customer", "status")
            )
            and ("due_date" not in params or is_in_range(invoice["due_date"], params["due_date"]))
            and details.get("subscription")
            == params.get("subscription", details.get("subscription"))
        )

    return list_page(tx, "invoice", params, url="/v1/invoices", where=wanted)


@routes.get("/v1/invoices/<id>/lines", InvoiceLineItemListParams)
def list_lines(tx: Transaction, params: Params, invoice_id: str) -> Object:
    tx.path_object("invoice", invoice_id)

    def wanted(line: Object) -> bool:
        return bool(line["invoice"] == invoice_id)

    url = f"/v1/invoices/{invoice_id}/lines"
    return list_page(tx, "line_item", params, url=url, where=wanted, oldest_first=True)


@routes.delete("/v1/invoices/<id>", InvoiceDeleteParams)
def delete(tx: Transaction, params: Params, invoice_id: str) -> Object:
    invoice = tx.path_object("invoice", invoice_id)
    if invoice["status"] != "draft" or invoice["billing_reason"] != "manual":
        raise invalid("You can only delete draft invoices that were created by hand.", param="id")
    for line in tx.list_with("line_item", "invoice", invoice_id):
        tx.remove(line)
    for item in tx.list_objects("invoiceitem", lambda item: item.get("invoice") == invoice_id):
        item["invoice"] = None
    tx.emit("invoice.deleted", invoice)
    return tx.delete(invoice)


@routes.post("/v1/invoices/<id>/finalize", InvoiceFinalizeInvoiceParams)
def finalize(tx: Transaction, params: Params, invoice_id: str) -> Object:
    invoice = tx.path_object("invoice", invoice_id)
    if invoice["status"] != "draft":
        raise _unexpected_state(
            "This invoice is already finalized, you can't re-finalize a non-draft invoice."
        )
    assign(invoice, params, "auto_advance")
    if invoice["automatic_tax"]["enabled"]:
        customer = tx.param_object("customer", invoice["customer"], param="customer")
        taxes.check_location(customer, param="automatic_tax")
    collection.finalize(tx, invoice)
    if invoice["status"] == "open":
        collection.create_unconfirmed_intent(tx, invoice)
    return invoice


@routes.post("/v1/invoices/<id>/pay", InvoicePayParams)
def pay(tx: Transaction, params: Params, invoice_id: str) -> Object:
    """Pay the invoice. Raises 402 for a declined card and keeps the attempt's effects."""
    refuse_unsupported(params, "forgive", "mandate", "source")
    invoice = tx.path_object("invoice", invoice_id)
    _check_payable(tx, invoice)
    method = _read_payment_method(tx, invoice, params)
    with tx.emit_in_order(event_order.RECOVERY if invoice["attempted"] else ()):
        if invoice["status"] == "draft":
            collection.finalize(tx, invoice)
        if invoice["status"] == "paid":
            return invoice
        if params.get("paid_out_of_band"):
            collection.mark_paid(tx, invoice, out_of_band=True)
            return invoice
        off_session = params.get("off_session", True)
        collection.collect(tx, invoice, off_session=off_session, payment_method=method)
    if invoice["status"] != "paid" and not collection.is_processing(tx, invoice):
        raise _unpaid_error(tx, invoice)
    return invoice


@routes.post("/v1/invoices/<id>/void", InvoiceVoidInvoiceParams)
def void(tx: Transaction, params: Params, invoice_id: str) -> Object:
    invoice = tx.path_object("invoice", invoice_id)
    if invoice["status"] not in ("open", "uncollectible"):
        raise _unexpected_state(
            "You can only pass in open or uncollectible invoices. This invoice isn't "
            f"open or uncollectible: it is {invoice['status']}."
        )
    invoices.void_invoice(tx, invoice)
    subscription_status.on_invoice_closed(tx, invoice)
    return invoice


@routes.post("/v1/invoices/<id>/mark_uncollectible", InvoiceMarkUncollectibleParams)
def mark_uncollectible(tx: Transaction, params: Params, invoice_id: str) -> Object:
    invoice = tx.path_object("invoice", invoice_id)
    if invoice["status"] != "open":
        raise _unexpected_state(
            f"You can only mark open invoices as uncollectible. This one is {invoice['status']}."
        )
    invoices.mark_uncollectible(tx, invoice, reason="user_forgiven")
    subscription_status.on_invoice_closed(tx, invoice)
    return invoice


def _check_supported(params: Params) -> None:
    refuse_unsupported(params, *sorted(set(params) - SUPPORTED))
    if params.get("collection_method") == "send_invoice":
        raise invalid(
            "The sandbox only charges automatically; it does not send invoices.",
            param="collection_method",
        )


def _apply_params(tx: Transaction, invoice: Object, params: Params) -> None:
    if "default_payment_method" in params:
        method = _read_payment_method(
            tx, invoice, {"payment_method": params["default_payment_method"] or None}
        )
        invoice["default_payment_method"] = method
    if "auto_advance" in params:
        advances = params["auto_advance"]
        invoice["auto_advance"] = advances
        if invoice["status"] == "draft":
            finalizes_at = tx.now + invoices.DRAFT_SECONDS if advances else None
            invoice |= {
                "automatically_finalizes_at": finalizes_at,
                "next_payment_attempt": finalizes_at,
            }
    merge_metadata(invoice, params.get("metadata"))


def _set_automatic_tax(invoice: Object, *, enabled: bool) -> None:
    disabled = {"enabled": False, "liability": None, "provider": None, "status": None}
    invoice["automatic_tax"] |= taxes.enabled_automatic_tax() if enabled else disabled


def _read_discounts(tx: Transaction, customer: str, params: Params) -> list[DiscountChoice] | None:
    """Read ``discounts``; None if the parameter was not sent."""
    if "discounts" not in params:
        return None
    return discounts.read_choices(tx, params["discounts"], customer=customer)


def _check_payable(tx: Transaction, invoice: Object) -> None:
    if collection.is_processing(tx, invoice):
        raise _unexpected_state("This invoice cannot be paid: a payment for it is processing.")
    if invoice["status"] == "paid":
        raise _unexpected_state("Invoice is already paid", code="invoice_already_paid")
    if invoice["status"] == "void":
        raise _unexpected_state("Voided invoices can't be paid.", code="invoice_not_payable")


def _read_payment_method(tx: Transaction, invoice: Object, params: Params) -> str | None:
    """Read the payment method. Raises 400 if it is not the customer's."""
    if not params.get("payment_method"):
        return None
    method = payment_methods.resolve_method(tx, params["payment_method"], param="payment_method")
    if method["customer"] is None and tx.stored(method) is None:
        payment_methods.attach_method(tx, method, invoice["customer"])
    if method["customer"] != invoice["customer"]:
        raise invalid(
            "The customer does not have a payment method with the ID "
            f"{method['id']}. The payment method must be attached to the customer.",
            param="payment_method",
            code="resource_missing",
        )
    return str(method["id"])


def _unpaid_error(tx: Transaction, invoice: Object) -> StripeFailure:
    intent = invoices.find_intent(tx, invoice)
    if intent and intent["last_payment_error"]:
        return payments.declined_error(intent)
    if intent and intent["status"] == "requires_action":
        return StripeFailure(
            "This payment requires additional user action before it can be completed "
            "successfully. Payment can be completed using the PaymentIntent associated with the "
            "invoice.",
            status=402,
            error_type="card_error",
            code="invoice_payment_intent_requires_action",
            keep_effects=True,
        )
    return StripeFailure(
        "There is no `default_payment_method` set on this Customer or Invoice. Please either pass "
        "a `payment_method` or set a default one.",
        code="invoice_no_customer_payment_method",
        keep_effects=True,
    )


def _unexpected_state(message: str, *, code: str | None = None) -> StripeFailure:
    return StripeFailure(message, code=code)
