"""Invoice items: pending amounts for the customer's next invoice, including prorations."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from stripe.params import (
    InvoiceItemCreateParams,
    InvoiceItemDeleteParams,
    InvoiceItemListParams,
    InvoiceItemRetrieveParams,
)

from sandbox.billing import invoice_lines, invoices, pricing
from sandbox.errors import invalid, missing_param, refuse_unsupported
from sandbox.objects import Object, Params, merge_metadata
from sandbox.pagination import list_page
from sandbox.routing import Routes
from sandbox.transaction import Transaction

routes = Routes()

UNSUPPORTED = (
    "customer_account",
    "discounts",
    "price_data",
    "quantity_decimal",
    "tax_behavior",
    "tax_code",
    "tax_rates",
)


@routes.post("/v1/invoiceitems", InvoiceItemCreateParams)
def create(tx: Transaction, params: Params) -> Object:
    refuse_unsupported(params, *UNSUPPORTED)
    if "customer" not in params:
        raise missing_param("customer")
    customer = tx.param_object("customer", params["customer"], param="customer")
    subscription = params.get("subscription")
    if subscription:
        tx.param_object("subscription", subscription, param="subscription")
    request = InvoiceItemRequest(
        customer=customer["id"],
        period=params.get("period", {"start": tx.now, "end": tx.now}),
        description=params.get("description"),
        subscription=subscription,
        **_read_amount(tx, params),
    )
    item = insert_item(tx, request)
    item["discountable"] = params.get("discountable", True)
    merge_metadata(item, params.get("metadata"))
    if "invoice" in params:
        _add_to_draft(tx, item, params["invoice"])
    return item


@routes.get("/v1/invoiceitems/<id>", InvoiceItemRetrieveParams)
def retrieve(tx: Transaction, params: Params, item_id: str) -> Object:
    return tx.path_object("invoiceitem", item_id)


@routes.get("/v1/invoiceitems", InvoiceItemListParams)
def list_(tx: Transaction, params: Params) -> Object:
    def wanted(item: Object) -> bool:
        return bool(
            item["customer"] == params.get("customer", item["customer"])
            and item["invoice"] == params.get("invoice", item["invoice"])
            and (item["invoice"] is None) == params.get("pending", item["invoice"] is None)
        )

    return list_page(tx, "invoiceitem", params, url="/v1/invoiceitems", where=wanted)


@routes.delete("/v1/invoiceitems/<id>", InvoiceItemDeleteParams)
def delete(tx: Transaction, params: Params, item_id: str) -> Object:
    item = tx.path_object("invoiceitem", item_id)
    if item["invoice"]:
        raise invalid("You can only delete invoice items that no invoice has taken up.", param="id")
    tx.emit("invoiceitem.deleted", item)
    return tx.delete(item)


@dataclass(frozen=True, kw_only=True)
class InvoiceItemRequest:
    """The fields of a new invoice item. ``amount`` is in minor units."""

    customer: str
    amount: int
    currency: str
    description: str | None
    period: Object
    quantity: int = 1
    pricing: Object | None = None
    proration: bool = False
    discount_amounts: list[Object] = field(default_factory=list)
    credited_items: Object | None = None
    subscription: str | None = None
    subscription_item: str | None = None


def insert_item(tx: Transaction, request: InvoiceItemRequest) -> Object:
    """Insert a pending invoice item and emit ``invoiceitem.created``."""
    parent = {
        "subscription": request.subscription,
        "subscription_item": request.subscription_item,
    }
    item: Object = {
        "id": tx.new_id("ii"),
        "object": "invoiceitem",
        "amount": request.amount,
        "currency": request.currency,
        "customer": request.customer,
        "customer_account": None,
        "date": tx.now,
        "description": request.description,
        "discountable": not request.proration,
        "discounts": [],
        "invoice": None,
        "livemode": False,
        "metadata": {},
        "net_amount": request.amount,
        "parent": {"subscription_details": parent, "type": "subscription_details"}
        if request.subscription
        else None,
        "period": request.period,
        "pricing": request.pricing,
        "proration": request.proration,
        "quantity": request.quantity,
        "quantity_decimal": str(request.quantity),
        "tax_rates": [],
        "test_clock": (tx.get("customer", request.customer) or {}).get("test_clock"),
    }
    if request.proration:
        item["proration_details"] = {
            "credited_items": request.credited_items,
            "discount_amounts": request.discount_amounts,
        }
    tx.insert(item)
    tx.emit("invoiceitem.created", item)
    return item


def _read_amount(tx: Transaction, params: Params) -> Object:
    """Read ``amount``, or a quantity of a one-time price."""
    if price_id := params.get("pricing", {}).get("price"):
        price = tx.param_object("price", price_id, param="pricing[price]")
        if pricing.is_recurring(price):
            raise invalid(
                "The price specified is set to `type=recurring` but this field only accepts "
                "prices with `type=one_time`.",
                param="pricing[price]",
            )
        quantity = params.get("quantity", 1)
        return {
            "amount": pricing.price_amount(tx, price, quantity),
            "currency": price["currency"],
            "pricing": invoice_lines.price_details(price),
            "quantity": quantity,
        }
    if "currency" not in params:
        raise missing_param("currency")
    quantity = params.get("quantity", 1)
    amount = params.get("amount")
    if amount is None:
        amount = pricing.round_amount(Decimal(params.get("unit_amount_decimal", 0)) * quantity)
    return {"amount": amount, "currency": params["currency"].lower(), "quantity": quantity}


def _add_to_draft(tx: Transaction, item: Object, invoice_id: str) -> None:
    invoice = tx.param_object("invoice", invoice_id, param="invoice")
    if invoice["status"] != "draft":
        raise invalid(
            f"You can only add invoice items to draft invoices. This one is {invoice['status']}.",
            param="invoice",
        )
    item["invoice"] = invoice["id"]
    with tx.updating(invoice, "invoice.updated"):
        invoices.add_line(tx, invoice, invoice_lines.for_invoice_item(tx, item))
        invoices.compute_amounts(tx, invoice)
