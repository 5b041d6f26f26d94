"""Disputes: opened, answered with evidence and decided, with their balance transactions.

An inquiry withdraws no money. The API, the controls and the engine all call this module.
"""

from __future__ import annotations

from sandbox import early_fraud_warnings
from sandbox.bank_accounts import BankAccount
from sandbox.cards import Card, DisputeTrigger
from sandbox.errors import StripeFailure, invalid
from sandbox.objects import Object, copy
from sandbox.resources import balance_transactions, charges, payment_methods
from sandbox.transaction import Transaction

KIND = "dispute"
PLAN = "_dispute_plan"
"""Record kind: a charge that its card holder will dispute, and the due time."""
OPENED_AFTER_SECONDS = 60
RESPONSE_SECONDS = 7 * 86400
FEE = 1500

CHARGEBACKS = ("needs_response", "under_review")
INQUIRIES = ("warning_needs_response", "warning_under_review")
ANSWERABLE = ("needs_response", "warning_needs_response")
OPEN = CHARGEBACKS + INQUIRIES
REASON_CODES = {"fraudulent": "10.4", "product_not_received": "13.1"}
EVIDENCE = (
    "access_activity_log", "billing_address", "cancellation_policy",
    "cancellation_policy_disclosure", "cancellation_rebuttal", "customer_communication",
    "customer_email_address", "customer_name", "customer_purchase_ip", "customer_signature",
    "duplicate_charge_documentation", "duplicate_charge_explanation", "duplicate_charge_id",
    "product_description", "receipt", "refund_policy", "refund_policy_disclosure",
    "refund_refusal_explanation", "service_date", "service_documentation", "shipping_address",
    "shipping_carrier", "shipping_date", "shipping_documentation", "shipping_tracking_number",
    "uncategorized_file", "uncategorized_text",
)  # fmt: skip


def schedule_dispute(tx: Transaction, charge: Object, trigger: DisputeTrigger) -> None:
    """Schedule the dispute that this test card triggers."""
    record = {"object": PLAN, "id": charge["id"], "complaint": trigger.value}
    tx.insert({**record, "due": tx.now + OPENED_AFTER_SECONDS})


def open_scheduled_dispute(tx: Transaction, planned: Object) -> None:
    """Open the scheduled dispute, unless the charge is refunded or disputed already."""
    tx.remove(planned)
    charge = charges.find_charge(tx, planned["id"])
    trigger = DisputeTrigger(planned["complaint"])
    if charge["refunded"] or charge["disputed"]:
        return
    if trigger is DisputeTrigger.NOT_RECEIVED:
        open_dispute(tx, charge, reason="product_not_received")
    else:
        open_dispute(tx, charge, inquiry=trigger is DisputeTrigger.INQUIRY)


def open_dispute(
    tx: Transaction,
    charge: Object,
    *,
    reason: str = "fraudulent",
    amount: int | None = None,
    inquiry: bool = False,
) -> Object:
    """Open a dispute on the whole charge or on ``amount``.

    Raises 400 if that cannot be disputed.
    """
    disputable = charge["amount_captured"] - charge["amount_refunded"]
    disputed_amount = disputable if amount is None else amount
    if charge["disputed"] or not charge["paid"] or not 1 <= disputed_amount <= disputable:
        raise invalid(
            f"Charge {charge['id']} cannot be disputed for {disputed_amount}: {disputable} of it "
            f"stand, and it {'was' if charge['disputed'] else 'was not'} disputed before.",
            param="charge",
        )
    dispute = tx.insert(_build(tx, charge, disputed_amount, reason, inquiry=inquiry))
    charge["disputed"] = True
    tx.emit("charge.dispute.created", dispute)
    early_fraud_warnings.update_actionable(tx, charge)
    if not inquiry:
        _withdraw_funds(tx, dispute)
    return dispute


def open_prevented_dispute(tx: Transaction, charge: Object, case_type: str) -> Object:
    """Open a dispute that Stripe's dispute prevention closes at once.

    ``resolution`` gives the buyer the money, ``block`` moves none. Raises 400 for a charge that
    cannot be disputed.
    """
    dispute = open_dispute(tx, charge, inquiry=case_type == "block")
    with tx.updating(dispute, "charge.dispute.updated"):
        dispute |= {"status": "prevented", "is_charge_refundable": case_type == "block"}
        if card := dispute["payment_method_details"].get("card"):
            card["case_type"] = case_type
    tx.emit("charge.dispute.closed", dispute)
    return dispute


def submit_evidence(dispute: Object) -> None:
    """Mark the evidence as submitted. The caller emits the event."""
    is_inquiry = dispute["status"] in INQUIRIES
    dispute["status"] = "warning_under_review" if is_inquiry else "under_review"
    dispute["evidence_details"]["submission_count"] += 1
    dispute["evidence_details"]["submission_method"] = "manual"


def apply_test_evidence(tx: Transaction, dispute: Object) -> None:
    """Decide the dispute when its evidence is one of Stripe's test texts; else leave it open."""
    is_inquiry = dispute["status"] in INQUIRIES
    match dispute["evidence"]["uncategorized_text"]:
        case "winning_evidence":
            decide_dispute(
                tx, dispute, "warning_closed" if is_inquiry else "won", emits_updated=False
            )
        case "losing_evidence" if not is_inquiry:
            decide_dispute(tx, dispute, "lost")
        case "escalate_inquiry_evidence" if is_inquiry:
            escalate_inquiry(tx, dispute)


def escalate_inquiry(tx: Transaction, dispute: Object) -> None:
    """Turn the inquiry into a chargeback and withdraw the money."""
    with tx.updating(dispute, "charge.dispute.updated"):
        dispute |= {"is_charge_refundable": False, "status": "needs_response"}
        dispute["evidence_details"]["due_by"] = tx.now + RESPONSE_SECONDS
        if card := dispute["payment_method_details"].get("card"):
            card["case_type"] = "chargeback"
    _withdraw_funds(tx, dispute)


def decide_dispute(
    tx: Transaction, dispute: Object, outcome: str, *, emits_updated: bool = True
) -> None:
    """Close the dispute as ``won``, ``lost`` or, for an inquiry, ``warning_closed``. Raises 400.

    ``emits_updated`` is false when the submitted evidence has emitted ``charge.dispute.updated``.
    """
    allowed = ("warning_closed",) if dispute["status"] in INQUIRIES else ("won", "lost")
    if dispute["status"] not in OPEN or outcome not in allowed:
        raise invalid(
            f"A dispute that is {dispute['status']} cannot become {outcome}.", param="status"
        )
    updated = ["charge.dispute.updated"] if outcome == "won" and emits_updated else []
    with tx.updating(dispute, *updated):
        dispute["status"] = outcome
        dispute["is_charge_refundable"] = outcome != "lost"
    if outcome == "won":
        balance_transaction = balance_transactions.insert_for_won_dispute(tx, dispute)
        dispute["balance_transactions"].append(copy(balance_transaction))
        tx.emit("charge.dispute.funds_reinstated", dispute)
    tx.emit("charge.dispute.closed", dispute)


def expire_dispute(tx: Transaction, dispute: Object) -> None:
    """Close a dispute whose response deadline has passed: lost, or closed for an inquiry."""
    dispute["evidence_details"]["past_due"] = True
    decide_dispute(tx, dispute, "lost" if dispute["status"] in CHARGEBACKS else "warning_closed")


def close_inquiries(tx: Transaction, charge: Object) -> None:
    """Close the inquiries of a fully refunded charge."""
    for dispute in tx.list_with(KIND, "charge", charge["id"]):
        if charge["refunded"] and dispute["status"] in INQUIRIES:
            decide_dispute(tx, dispute, "warning_closed")


def check_refundable(tx: Transaction, charge: Object) -> None:
    """Raise 400 if a dispute holds the charge's money or has returned it to the buyer."""

    def holds(dispute: Object) -> bool:
        return bool(dispute["charge"] == charge["id"] and not dispute["is_charge_refundable"])

    if tx.list_ids(KIND, holds):
        raise StripeFailure(
            f"Charge {charge['id']} has been charged back; cannot issue a refund.",
            code="charge_disputed",
        )


def _withdraw_funds(tx: Transaction, dispute: Object) -> None:
    entry = balance_transactions.insert_for_dispute(tx, dispute, fee=FEE)
    dispute["balance_transactions"].append(copy(entry))
    tx.emit("charge.dispute.funds_withdrawn", dispute)


def _build(tx: Transaction, charge: Object, amount: int, reason: str, *, inquiry: bool) -> Object:
    method = tx.param_object("payment_method", charge["payment_method"], param="charge")
    card = payment_methods.find_card(tx, method)
    return {
        "id": tx.new_id("du"),
        "object": KIND,
        "amount": amount,
        "balance_transactions": [],
        "charge": charge["id"],
        "created": tx.now,
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": {**dict.fromkeys(EVIDENCE), "enhanced_evidence": {}},
        "evidence_details": {
            "due_by": tx.now + RESPONSE_SECONDS,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
            "submission_method": "not_submitted",
        },
        "intended_submission_method": None,
        "is_charge_refundable": inquiry,
        "livemode": False,
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "payment_method_details": _method_details(card, reason, inquiry=inquiry),
        "reason": reason,
        "status": "warning_needs_response" if inquiry else "needs_response",
    }


def _method_details(card: Card | BankAccount, reason: str, *, inquiry: bool) -> Object:
    if isinstance(card, BankAccount):
        return {"type": card.type}
    return {
        "card": {
            "brand": card.brand,
            "case_type": "inquiry" if inquiry else "chargeback",
            "network": card.brand,
            "network_reason_code": REASON_CODES.get(reason, "13.7"),
        },
        "type": "card",
    }
