"""Routes of customers. A deleted customer leaves a stub."""

from __future__ import annotations

from stripe.params import (
    CustomerCreateParams,
    CustomerDeleteParams,
    CustomerListParams,
    CustomerRetrieveParams,
    CustomerSearchParams,
    CustomerUpdateParams,
)

from sandbox import test_clocks
from sandbox.addresses import build_address
from sandbox.billing import cancellation
from sandbox.errors import invalid, refuse_unsupported
from sandbox.limits import check_length
from sandbox.objects import Object, Params, assign, merge_metadata
from sandbox.pagination import list_page
from sandbox.routing import Routes
from sandbox.search import INDEX_DELAY_SECONDS, parse_query
from sandbox.transaction import Transaction

routes = Routes()

COPIED_PARAMS = (
    "balance",
    "description",
    "email",
    "invoice_prefix",
    "name",
    "next_invoice_sequence",
    "phone",
    "preferred_locales",
    "tax_exempt",
)
NAME_LIMIT = 256
UNSUPPORTED = ("cash_balance", "default_source", "source", "tax", "tax_id_data")


@routes.post("/v1/customers", CustomerCreateParams)
def create(tx: Transaction, params: Params) -> Object:
    customer = build_customer(
        tx.new_id("cus"), now=tx.now, invoice_prefix=tx.world.ids.token(8).upper()
    )
    if "test_clock" in params:
        clock = tx.param_object(test_clocks.KIND, params["test_clock"], param="test_clock")
        customer["test_clock"] = clock["id"]
    _apply_params(tx, customer, params)
    tx.insert(customer)
    tx.emit("customer.created", customer)
    return customer


@routes.get("/v1/customers/<id>", CustomerRetrieveParams)
def retrieve(tx: Transaction, params: Params, customer_id: str) -> Object:
    """Return the customer, or the stub of a deleted one."""
    return tx.get("customer", customer_id) or tx.path_object("customer", customer_id)


@routes.post("/v1/customers/<id>", CustomerUpdateParams)
def update(tx: Transaction, params: Params, customer_id: str) -> Object:
    customer = tx.path_object("customer", customer_id)
    with tx.updating(customer, "customer.updated"):
        _apply_params(tx, customer, params)
    return customer


@routes.get("/v1/customers", CustomerListParams)
def list_(tx: Transaction, params: Params) -> Object:
    def wanted(customer: Object) -> bool:
        return bool(
            customer["email"] == params.get("email", customer["email"])
            and customer["test_clock"] == params.get("test_clock")
        )

    return list_page(tx, "customer", params, url="/v1/customers", where=wanted)


@routes.get("/v1/customers/search", CustomerSearchParams)
def search(tx: Transaction, params: Params) -> Object:
    """Search customers. A new customer is found after a minute, as at Stripe."""
    fits = parse_query(params["query"], texts={"email", "name", "phone"}, numbers={"created"})
    cursor = {"starting_after": params["page"]} if "page" in params else {}

    def wanted(customer: Object) -> bool:
        return bool(customer["created"] <= tx.now - INDEX_DELAY_SECONDS and fits(customer))

    page_params = {"limit": params.get("limit", 10), **cursor}
    result = list_page(tx, "customer", page_params, url="/v1/customers/search", where=wanted)
    last = result["data"][-1]["id"] if result["has_more"] else None
    return {**result, "object": "search_result", "next_page": last}


@routes.delete("/v1/customers/<id>", CustomerDeleteParams)
def delete(tx: Transaction, params: Params, customer_id: str) -> Object:
    """Delete the customer and cancel its subscriptions."""
    customer = tx.path_object("customer", customer_id)
    cancellation.stop_customer_billing(tx, customer_id)
    tx.emit("customer.deleted", customer)
    return tx.delete(customer)


def _apply_params(tx: Transaction, customer: Object, params: Params) -> None:
    refuse_unsupported(params, *UNSUPPORTED)
    check_length("name", params.get("name", ""), NAME_LIMIT)
    assign(customer, params, *COPIED_PARAMS)
    if "address" in params:
        customer["address"] = build_address(params["address"])
    if "shipping" in params:
        customer["shipping"] = _read_shipping(params["shipping"])
    if settings := params.get("invoice_settings"):
        _apply_invoice_settings(tx, customer, settings)
    merge_metadata(customer, params.get("metadata"))


def _apply_invoice_settings(tx: Transaction, customer: Object, settings: Params) -> None:
    method_id = settings.get("default_payment_method")
    if method_id:
        param = "invoice_settings[default_payment_method]"
        method = tx.param_object("payment_method", method_id, param=param)
        if method["customer"] != customer["id"]:
            raise invalid(
                "The customer does not have a payment method with the ID "
                f"{method_id}. The payment method must be attached to the customer.",
                param=param,
                code="resource_missing",
            )
    assign(
        customer["invoice_settings"],
        settings,
        "custom_fields",
        "default_payment_method",
        "footer",
        "rendering_options",
    )


def _read_shipping(params: Params | str) -> Object | None:
    if not isinstance(params, dict):
        return None
    return {
        "address": build_address(params["address"]),
        "name": params["name"],
        "phone": params.get("phone"),
    }


def build_customer(customer_id: str, *, now: int, invoice_prefix: str) -> Object:
    return {
        "id": customer_id,
        "object": "customer",
        "address": None,
        "balance": 0,
        "created": now,
        "currency": None,
        "customer_account": None,
        "default_source": None,
        "delinquent": False,
        "description": None,
        "discount": None,
        "email": None,
        "invoice_prefix": invoice_prefix,
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": False,
        "metadata": {},
        "name": None,
        "next_invoice_sequence": 1,
        "phone": None,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
    }
