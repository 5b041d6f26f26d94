"""Refunds, in full or in part. Some test cards decide them later."""

from __future__ import annotations

from stripe.params import (
    RefundCancelParams,
    RefundCreateParams,
    RefundListParams,
    RefundRetrieveParams,
    RefundUpdateParams,
)

from sandbox import disputes, early_fraud_warnings
from sandbox.cards import RefundOutcome
from sandbox.currencies import charge_multiple
from sandbox.errors import invalid, missing_param, refuse_unsupported
from sandbox.objects import Object, Params, assign, merge_metadata
from sandbox.pagination import list_page
from sandbox.resources import balance_transactions, charges, payment_methods
from sandbox.routing import Routes
from sandbox.transaction import Transaction

routes = Routes()

DECISION_RECORD = "_refund_plan"
"""Record kind: the later result of a refund, and its due time."""
DECISION_DELAY_SECONDS = 3600
UNSUPPORTED = (
    "currency",
    "customer",
    "instructions_email",
    "origin",
    "refund_application_fee",
    "reverse_transfer",
)


@routes.post("/v1/refunds", RefundCreateParams)
def create(tx: Transaction, params: Params) -> Object:
    refuse_unsupported(params, *UNSUPPORTED)
    charge = _find_charge(tx, params)
    disputes.check_refundable(tx, charge)
    amount = _read_amount(charge, params)
    outcome = _find_outcome(tx, charge)
    refund = _build_refund(tx, charge, amount)
    assign(refund, params, "reason")
    merge_metadata(refund, params.get("metadata"))
    if outcome is RefundOutcome.SUCCEEDS_LATER:
        refund["status"] = "pending"
    else:
        refund["balance_transaction"] = balance_transactions.insert_for_refund(tx, refund)["id"]
    if outcome is not RefundOutcome.SUCCEEDS:
        plan = {"object": DECISION_RECORD, "id": refund["id"], "outcome": outcome.value}
        tx.insert({**plan, "due": tx.now + DECISION_DELAY_SECONDS})
    tx.insert(refund)
    _change_refunded_amount(charge, amount)
    tx.emit("refund.created", refund)
    tx.emit("charge.refunded", charge, previous=_previous_attributes(charge, amount))
    if refund["status"] == "succeeded":
        _add_receipt(tx, refund)
    disputes.close_inquiries(tx, charge)
    early_fraud_warnings.update_actionable(tx, charge)
    return refund


@routes.get("/v1/refunds/<id>", RefundRetrieveParams)
def retrieve(tx: Transaction, params: Params, refund_id: str) -> Object:
    return tx.path_object("refund", refund_id)


@routes.post("/v1/refunds/<id>", RefundUpdateParams)
def update(tx: Transaction, params: Params, refund_id: str) -> Object:
    refund = tx.path_object("refund", refund_id)
    with tx.updating(refund, "refund.updated", "charge.refund.updated"):
        merge_metadata(refund, params.get("metadata"))
    return refund


@routes.get("/v1/refunds", RefundListParams)
def list_(tx: Transaction, params: Params) -> Object:
    def wanted(refund: Object) -> bool:
        return all(
            refund[name] == params.get(name, refund[name]) for name in ("charge", "payment_intent")
        )

    return list_page(tx, "refund", params, url="/v1/refunds", where=wanted)


@routes.post("/v1/refunds/<id>/cancel", RefundCancelParams)
def cancel(tx: Transaction, params: Params, refund_id: str) -> Object:
    """Cancel a refund that requires action of the customer. Raises 400 for any other."""
    refund = tx.path_object("refund", refund_id)
    if refund["status"] != "requires_action":
        raise invalid(
            f"This refund cannot be canceled because it has a status of {refund['status']}. Only "
            "a refund with the status requires_action may be canceled."
        )
    with tx.updating(refund, "refund.updated", "charge.refund.updated"):
        refund["status"] = "canceled"
    charge = charges.find_charge(tx, refund["charge"])
    with tx.updating(charge, "charge.updated"):
        _change_refunded_amount(charge, -refund["amount"])
    return refund


def require_action(tx: Transaction, refund: Object) -> None:
    """Set ``requires_action``: the customer must provide bank details."""
    with tx.updating(refund, "refund.updated", "charge.refund.updated"):
        refund["status"] = "requires_action"


def decide_due(tx: Transaction) -> None:
    """Apply the decisions that are due."""
    for plan in tx.list_objects(DECISION_RECORD, lambda plan: plan["due"] <= tx.now):
        apply_decision(tx, plan)


def apply_decision(tx: Transaction, decision: Object) -> None:
    """Apply the bank's decision on one refund."""
    refund = tx.param_object("refund", decision["id"], param="refund")
    if decision["outcome"] == RefundOutcome.SUCCEEDS_LATER:
        _complete_refund(tx, refund)
    else:
        fail_refund(tx, refund)
    if stored_decision := tx.get(DECISION_RECORD, refund["id"]):
        tx.remove(stored_decision)


def _complete_refund(tx: Transaction, refund: Object) -> None:
    with tx.updating(refund, "refund.updated", "charge.refund.updated"):
        refund["status"] = "succeeded"
        refund["balance_transaction"] = balance_transactions.insert_for_refund(tx, refund)["id"]


def fail_refund(tx: Transaction, refund: Object) -> None:
    """Fail the refund:

    the charge counts its amount as not refunded. Raises 400 for other statuses.
    """
    if refund["status"] not in ("pending", "succeeded"):
        raise invalid(f"A refund that is {refund['status']} cannot fail.")
    if plan := tx.get(DECISION_RECORD, refund["id"]):
        tx.remove(plan)
    booked = refund["balance_transaction"] is not None
    entry = balance_transactions.insert_for_failed_refund(tx, refund) if booked else None
    with tx.updating(refund, "refund.updated", "refund.failed", "charge.refund.updated"):
        refund |= {
            "status": "failed",
            "failure_reason": "unknown",
            "failure_balance_transaction": entry and entry["id"],
        }
    charge = charges.find_charge(tx, refund["charge"])
    with tx.updating(charge, "charge.updated"):
        _change_refunded_amount(charge, -refund["amount"])


def _find_charge(tx: Transaction, params: Params) -> Object:
    if "charge" in params:
        return tx.param_object("charge", params["charge"], param="charge")
    if "payment_intent" not in params:
        raise missing_param("payment_intent")
    id = params["payment_intent"]
    intent = tx.param_object("payment_intent", id, param="payment_intent")
    if intent["status"] != "succeeded":
        raise invalid(
            f"This PaymentIntent ({id}) does not have a successful charge to refund.",
            param="payment_intent",
        )
    return charges.find_charge(tx, intent["latest_charge"])


def _read_amount(charge: Object, params: Params) -> int:
    refundable = charge["amount_captured"] - charge["amount_refunded"]
    if not charge["captured"]:
        raise invalid(f"Charge {charge['id']} has not been captured.", param="charge")
    if refundable <= 0:
        raise invalid(
            f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded"
        )
    amount: int = params.get("amount", refundable)
    if amount < 1:
        raise invalid("Invalid positive integer", param="amount", code="parameter_invalid_integer")
    multiple = charge_multiple(charge["currency"])
    if amount % multiple:
        raise invalid(
            f"Amount must be divisible by {multiple} in {charge['currency']}.",
            param="amount",
            code="parameter_invalid_integer",
        )
    if amount > refundable:
        raise invalid(
            f"Refund amount ({amount} {charge['currency']}) is greater than unrefunded amount on "
            f"charge ({refundable} {charge['currency']}).",
            param="amount",
        )
    return amount


def _find_outcome(tx: Transaction, charge: Object) -> RefundOutcome:
    method = tx.param_object("payment_method", charge["payment_method"], param="charge")
    return payment_methods.find_card(tx, method).refund


def _change_refunded_amount(charge: Object, amount: int) -> None:
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] >= charge["amount_captured"]


def _previous_attributes(charge: Object, amount: int) -> Object:
    before: Object = {"amount_refunded": charge["amount_refunded"] - amount}
    return before | ({"refunded": False} if charge["refunded"] else {})


def _add_receipt(tx: Transaction, refund: Object) -> None:
    with tx.updating(refund, "refund.updated", "charge.refund.updated"):
        refund["destination_details"] = {
            "card": {
                "reference": tx.world.ids.token(16),
                "reference_status": "available",
                "reference_type": "acquirer_reference_number",
                "type": "refund",
            },
            "type": "card",
        }


def _destination_details(charge: Object) -> Object:
    method_type = charge["payment_method_details"]["type"]
    if method_type == "card":
        return {"card": {"reference_status": "pending", "type": "refund"}, "type": method_type}
    bank = {"us_bank_account": "us_bank_transfer", "sepa_debit": "eu_bank_transfer"}[method_type]
    return {bank: {"reference": None, "reference_status": None}, "type": bank}


def _build_refund(tx: Transaction, charge: Object, amount: int) -> Object:
    return {
        "id": tx.new_id("re"),
        "object": "refund",
        "amount": amount,
        "balance_transaction": None,
        "charge": charge["id"],
        "created": tx.now,
        "currency": charge["currency"],
        "customer": charge["customer"],
        "customer_account": None,
        "destination_details": _destination_details(charge),
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "payment_method": charge["payment_method"],
        "reason": None,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "succeeded",
        "transfer_reversal": None,
    }
