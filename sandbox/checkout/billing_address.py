"""The buyer's address, collected for taxes or by ``billing_address_collection``."""

from __future__ import annotations

from sandbox.addresses import build_address
from sandbox.billing import taxes
from sandbox.checkout import session_amounts, session_records
from sandbox.errors import StripeFailure, invalid
from sandbox.objects import Object, Params
from sandbox.transaction import Transaction

PARAM = "address"


def check_tax_params(tx: Transaction, params: Params) -> None:
    """Raise 400 for automatic tax or tax ids that Checkout could not collect."""
    updates = params.get("customer_update", {})
    if params.get("automatic_tax", {}).get("enabled"):
        _check_tax(tx, params, updates)
    collects_ids = params.get("tax_id_collection", {}).get("enabled")
    if collects_ids and "customer" in params and updates.get("name") != "auto":
        raise invalid(
            "Tax ID collection requires updating business name on the customer. To enable tax ID "
            "collection for an existing customer, please set `customer_update[name]` to `auto`.",
            param="customer_update[name]",
        )


def is_collected(tx: Transaction, session: Object) -> bool:
    """Whether the page collects an address."""
    if session["billing_address_collection"] == "required":
        return True
    return bool(session["automatic_tax"]["enabled"] and _is_editable(tx, session))


def apply_address(tx: Transaction, session: Object, form_fields: Params) -> None:
    """Apply the entered address and compute the amounts again. Raises 400 for an incomplete one."""
    entered = build_address({name: value or None for name, value in form_fields.items()})
    if not taxes.is_complete_location(entered):
        raise invalid(
            "Enter your country and, in the United States, your state or ZIP code.", param=PARAM
        )
    session_records.find_record(tx, session)["address"] = entered
    if session["automatic_tax"]["enabled"]:
        session_amounts.compute_amounts(tx, session)


def find_address(tx: Transaction, session: Object) -> Object | None:
    """The entered address, else that of the session's customer."""
    typed_address: Object | None = session_records.find_record(tx, session)["address"]
    return typed_address or session_amounts.find_tax_address(tx, session)[0]


def is_missing(tx: Transaction, session: Object) -> bool:
    return is_collected(tx, session) and find_address(tx, session) is None


def check_present(tx: Transaction, session: Object) -> None:
    """Raise 400 if the page collects an address and none is known."""
    if is_missing(tx, session):
        raise invalid("Enter your address.", param=PARAM)


def _is_editable(tx: Transaction, session: Object) -> bool:
    """Whether the buyer may enter an address: without a customer, or with ``customer_update``."""
    updates = session_records.find_record(tx, session)["customer_update"]
    return session["customer"] is None or updates.get("address") == "auto"


def _check_tax(tx: Transaction, params: Params, updates: Params) -> None:
    if params["mode"] == "setup":
        raise invalid("You can not pass `automatic_tax` in `setup` mode.", param="automatic_tax")
    if params["automatic_tax"].get("liability", {}).get("type", "self") != "self":
        raise invalid(
            "The sandbox collects taxes for the account itself only.",
            param="automatic_tax[liability][type]",
        )
    if "customer" not in params or "auto" in (updates.get("address"), updates.get("shipping")):
        return
    customer = tx.param_object("customer", params["customer"], param="customer")
    if taxes.find_location(customer) is None:
        raise StripeFailure(
            "Automatic tax calculation in Checkout requires a valid address on the Customer. Add a "
            "valid address to the Customer or set either `customer_update[address]` to 'auto' or "
            "`customer_update[shipping]` to 'auto' to save the address entered in Checkout to the "
            "Customer.",
            code="customer_tax_location_invalid",
            param="automatic_tax",
        )
