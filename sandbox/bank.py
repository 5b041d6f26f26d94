"""Actions of the payer's bank: open and decide disputes, fail refunds.

dispute = bank.open_dispute(world, payment_intent.id)
bank.decide_dispute(world, dispute["id"], "won")
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox import buyer, disputes, early_fraud_warnings
from sandbox.errors import invalid
from sandbox.objects import Object, copy
from sandbox.resources import charges, refunds
from sandbox.transaction import Transaction

if TYPE_CHECKING:
    from sandbox.world import World


def open_dispute(
    world: World,
    payment: str,
    *,
    reason: str = "fraudulent",
    amount: int | None = None,
    inquiry: bool = False,
) -> Object:
    """Open a dispute on a payment intent or a charge. An inquiry withdraws no money.

    Returns the dispute. Raises ``StripeFailure`` if nothing is left to dispute.
    """
    kind = "payment_intent" if payment.startswith("pi_") else "charge"
    with buyer.object_transaction(world, kind, payment) as tx:
        charge = _find_charge(tx, kind, payment)
        opened = disputes.open_dispute(tx, charge, reason=reason, amount=amount, inquiry=inquiry)
        result: Object = copy(opened)
        return result


def issue_fraud_warning(world: World, payment: str, *, fraud_type: str = "misc") -> Object:
    """Create an early fraud warning for the payment. No money moves."""
    kind = "payment_intent" if payment.startswith("pi_") else "charge"
    with buyer.object_transaction(world, kind, payment) as tx:
        result: Object = copy(
            early_fraud_warnings.issue_warning(
                tx, _find_charge(tx, kind, payment), fraud_type=fraud_type
            )
        )
        return result


def open_prevented_dispute(world: World, payment: str, *, case_type: str) -> Object:
    """Open a dispute that Stripe's dispute prevention closes at once.

    ``case_type`` is ``resolution`` (the buyer gets the money) or ``block`` (no money moves).
    """
    with buyer.object_transaction(world, "payment_intent", payment) as tx:
        result: Object = copy(
            disputes.open_prevented_dispute(
                tx, _find_charge(tx, "payment_intent", payment), case_type
            )
        )
        return result


def decide_dispute(world: World, dispute_id: str, outcome: str) -> Object:
    """Set the outcome:

    ``won``, ``lost`` or ``warning_closed``. ``escalated`` turns an inquiry into a chargeback.
    """
    with buyer.object_transaction(world, disputes.KIND, dispute_id) as tx:
        dispute = tx.path_object(disputes.KIND, dispute_id)
        if outcome == "escalated" and dispute["status"] in disputes.INQUIRIES:
            disputes.escalate_inquiry(tx, dispute)
        else:
            disputes.decide_dispute(tx, dispute, outcome)
        result: Object = copy(dispute)
        return result


def fail_refund(world: World, refund: str) -> Object:
    """Fail a pending or succeeded refund, whatever its card."""
    with buyer.object_transaction(world, "refund", refund) as tx:
        body = tx.path_object("refund", refund)
        refunds.fail_refund(tx, body)
        result: Object = copy(body)
        return result


def _find_charge(tx: Transaction, kind: str, payment: str) -> Object:
    body = tx.path_object(kind, payment)
    if kind == "charge":
        return body
    if not body["latest_charge"]:
        raise invalid(f"PaymentIntent {payment} has no charge to dispute.", param="charge")
    return charges.find_charge(tx, body["latest_charge"])
