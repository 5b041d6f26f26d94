"""The route ``create_preview``: computes an invoice that is not stored."""

from __future__ import annotations

from stripe.params import InvoiceCreatePreviewParams

from sandbox.addresses import build_address
from sandbox.billing import invoice_preview
from sandbox.billing.invoice_preview import DETAILS_PARAM
from sandbox.errors import invalid, missing_param, refuse_unsupported
from sandbox.objects import Object, Params, assign
from sandbox.resources import invoice_items
from sandbox.routing import Routes
from sandbox.transaction import Transaction

routes = Routes()

UNSUPPORTED = (
    "customer_account",
    "issuer",
    "on_behalf_of",
    "schedule",
    "schedule_details",
)
DETAILS_UNSUPPORTED = (
    "billing_schedules",
    "default_tax_rates",
    "pause",
    "start_date",
)
ITEM_SUPPORTED = {"amount", "currency", "description", "discountable", "metadata", "period",
                  "price", "quantity"}  # fmt: skip


@routes.post("/v1/invoices/create_preview", InvoiceCreatePreviewParams)
def create(tx: Transaction, params: Params) -> Object:
    """Preview an invoice in a dry run: nothing is stored and no event is emitted."""
    _check_supported(params)
    details = params.get(DETAILS_PARAM, {})
    preview_tx = tx.dry_run()
    customer, subscription = _find_subjects(preview_tx, params)
    _apply_customer_details(customer, params.get("customer_details", {}))
    for index, item in enumerate(params.get("invoice_items", [])):
        _add_item(preview_tx, customer, subscription, item, f"invoice_items[{index}]")
    if "discounts" in params and not subscription and "items" not in details:
        raise invalid("Discounts are previewed on a subscription or on items.", param="discounts")
    if subscription:
        invoice = invoice_preview.preview_update(preview_tx, subscription, params)
    elif "items" in details:
        invoice = invoice_preview.preview_creation(preview_tx, customer, params)
    else:
        invoice = invoice_preview.preview_customer(preview_tx, customer)
    return invoice_preview.present_preview(
        preview_tx, invoice, proration_date=details.get("proration_date", tx.now)
    )


def _find_subjects(preview_tx: Transaction, params: Params) -> tuple[Object, Object | None]:
    """The customer, and the subscription if one is named. Raises 400 if they do not match."""
    subscription = None
    id = params.get("customer")
    if "subscription" in params:
        subscription_id = params["subscription"]
        subscription = preview_tx.param_object(
            "subscription", subscription_id, param="subscription"
        )
        if id not in (None, subscription["customer"]):
            raise invalid(
                f"The customer '{id}' does not have a subscription with the ID "
                f"'{subscription_id}'.",
                param="subscription",
                code="resource_missing",
            )
        id = subscription["customer"]
    if id is None:
        raise missing_param("customer")
    return preview_tx.param_object("customer", id, param="customer"), subscription


def _apply_customer_details(customer: Object, details: Params) -> None:
    """Apply the address and tax exemption that the preview assumes."""
    assign(customer, details, "tax_exempt")
    if "address" in details:
        customer["address"] = build_address(details["address"])


def _add_item(
    preview_tx: Transaction, customer: Object, subscription: Object | None, item: Params, param: str
) -> None:
    """Insert an invoice item for the preview."""
    for name in sorted(set(item) - ITEM_SUPPORTED):
        raise invalid(f"The sandbox does not support `{name}` here.", param=f"{param}[{name}]")
    item_params = {name: value for name, value in item.items() if name != "price"}
    item_params |= {"pricing": {"price": item["price"]}} if "price" in item else {}
    item_params |= {"subscription": subscription["id"]} if subscription else {}
    invoice_items.create(preview_tx, {"customer": customer["id"], **item_params})


def _check_supported(params: Params) -> None:
    refuse_unsupported(params, *UNSUPPORTED)
    for name in DETAILS_UNSUPPORTED:
        if name in params.get(DETAILS_PARAM, {}):
            raise invalid(
                f"The sandbox does not support `{name}` here.", param=f"{DETAILS_PARAM}[{name}]"
            )
    for name in sorted(set(params.get("customer_details", {})) - {"address", "tax_exempt"}):
        raise invalid(
            f"The sandbox does not support `{name}` here.", param=f"customer_details[{name}]"
        )
