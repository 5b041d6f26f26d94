"""Charges: one per payment attempt. ``payments`` creates them; the API reads and annotates them."""

from __future__ import annotations

from stripe.params import ChargeListParams, ChargeRetrieveParams, ChargeUpdateParams

from sandbox import bank_accounts
from sandbox.cards import Decline
from sandbox.objects import Object, Params, assign, copy, merge_metadata
from sandbox.pagination import embed_list, list_page
from sandbox.resources import balance_transactions
from sandbox.routing import Routes
from sandbox.transaction import Transaction

routes = Routes()


@routes.get("/v1/charges/<id>", ChargeRetrieveParams)
def retrieve(tx: Transaction, params: Params, charge_id: str) -> Object:
    return tx.path_object("charge", charge_id)


@routes.post("/v1/charges/<id>", ChargeUpdateParams)
def update(tx: Transaction, params: Params, charge_id: str) -> Object:
    charge = tx.path_object("charge", charge_id)
    with tx.updating(charge, "charge.updated"):
        assign(charge, params, "description", "fraud_details", "receipt_email", "transfer_group")
        merge_metadata(charge, params.get("metadata"))
    return charge


@routes.get("/v1/charges", ChargeListParams)
def list_(tx: Transaction, params: Params) -> Object:
    def wanted(charge: Object) -> bool:
        return all(
            charge[name] == params.get(name, charge[name])
            for name in ("customer", "payment_intent", "transfer_group")
        )

    return list_page(tx, "charge", params, url="/v1/charges", where=wanted)


@routes.includable("charge", "refunds")
def include_refunds(tx: Transaction, charge: Object) -> Object:
    refunds = tx.list_with("refund", "charge", charge["id"])
    return embed_list(refunds[::-1], url=f"/v1/charges/{charge['id']}/refunds")


def insert_charge(
    tx: Transaction, intent: Object, method: Object, *, decline: Decline | None, captured: bool
) -> Object:
    """Insert a charge for the intent's amount, with the bank's answer."""
    charge = _build_charge(tx, intent, method)
    if decline:
        fail_charge(charge, decline)
    elif captured:
        charge |= {"captured": True, "amount_captured": intent["amount"]}
    return tx.insert(charge)


def fail_charge(charge: Object, decline: Decline) -> None:
    charge |= {
        "failure_code": decline.code,
        "failure_message": decline.message,
        "outcome": _declined_outcome(decline),
        "paid": False,
        "status": "failed",
    }


def complete_charge(tx: Transaction, charge: Object) -> None:
    """Complete a pending charge."""
    charge |= {
        "amount_captured": charge["amount"],
        "captured": True,
        "outcome": _approved_outcome(),
        "paid": True,
        "status": "succeeded",
    }
    settle_charge(tx, charge)


def _build_charge(tx: Transaction, intent: Object, method: Object) -> Object:
    return {
        "id": tx.new_id("ch"),
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": 0,
        "amount_refunded": 0,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": None,
        "billing_details": copy(method["billing_details"]),
        "calculated_statement_descriptor": "SANDBOX",
        "captured": False,
        "created": tx.now,
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "fraud_details": {},
        "livemode": False,
        "metadata": copy(intent["metadata"]),
        "on_behalf_of": None,
        "outcome": _approved_outcome(),
        "paid": True,
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "payment_method_details": _method_details(method, intent["amount"]),
        "receipt_email": intent["receipt_email"],
        "receipt_number": None,
        "receipt_url": None,
        "refunded": False,
        "review": None,
        "shipping": copy(intent["shipping"]),
        "source": None,
        "source_transfer": None,
        "statement_descriptor": intent["statement_descriptor"],
        "statement_descriptor_suffix": intent["statement_descriptor_suffix"],
        "status": "succeeded",
        "transfer_data": None,
        "transfer_group": None,
    }


def _approved_outcome() -> Object:
    return {
        "advice_code": None,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": "approved_by_network",
        "reason": None,
        "risk_level": "normal",
        "risk_score": 20,
        "seller_message": "Payment complete.",
        "type": "authorized",
    }


def _declined_outcome(decline: Decline) -> Object:
    return {
        **_approved_outcome(),
        "advice_code": decline.advice_code,
        "network_status": "declined_by_network",
        "reason": decline.decline_code or decline.code,
        "seller_message": "The bank did not return any further details with this decline.",
        "type": "issuer_declined",
    }


def _method_details(method: Object, amount: int) -> Object:
    if method["type"] != "card":
        return bank_accounts.charge_details(method)
    card = method["card"]
    same = ("brand", "checks", "country", "exp_month", "exp_year", "fingerprint", "funding")
    return {
        "card": {
            **{name: copy(card[name]) for name in (*same, "last4", "regulated_status", "wallet")},
            "amount_authorized": amount,
            "authorization_code": None,
            "extended_authorization": {"status": "disabled"},
            "incremental_authorization": {"status": "unavailable"},
            "installments": None,
            "mandate": None,
            "multicapture": {"status": "unavailable"},
            "network": card["brand"],
            "network_token": {"used": False},
            "network_transaction_id": None,
            "overcapture": {"maximum_amount_capturable": amount, "status": "unavailable"},
            "three_d_secure": None,
            "transaction_link_id": None,
        },
        "type": "card",
    }


def find_charge(tx: Transaction, charge_id: str) -> Object:
    return tx.param_object("charge", charge_id, param="charge")


def settle_charge(tx: Transaction, charge: Object) -> None:
    """Insert the balance transaction of the captured amount. The caller emits the event."""
    entry = balance_transactions.insert_for_charge(tx, charge)
    charge["balance_transaction"] = entry["id"]
