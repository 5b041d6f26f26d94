"""The payer's bank, asked to act at once: disputes over any payment, refunds that bounce.

dispute = bank.dispute(world, payment_intent.id)
bank.decide(world, dispute["id"], "won")
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
    """Open a dispute over a payment intent or a charge; an inquiry moves no money yet.

    Returns the dispute. Raises ``StripeFailure`` if there is nothing left to dispute.
    """
    kind = "payment_intent" if payment.startswith("pi_") else "charge"
    with buyer.object_transaction(world, kind, payment) as tx:
        charge = _find_charge(tx, kind, payment)
        opened = disputes.open_dispute(tx, charge, reason=reason, amount=amount, inquiry=inquiry)
        result: Object = copy(opened)
        return result


def issue_fraud_warning(world: World, payment: str, *, fraud_type: str = "misc") -> Object:
    """The card's issuer calls the payment fraudulent; no money moves."""
    kind = "payment_intent" if payment.startswith("pi_") else "charge"
    with buyer.object_transaction(world, kind, payment) as tx:
        result: Object = copy(
            early_fraud_warnings.issue_warning(
                tx, _find_charge(tx, kind, payment), fraud_type=fraud_type
            )
        )
        return result


def open_prevented_dispute(world: World, payment: str, *, case_type: str) -> Object:
    """A dispute that is over as it is raised: by a ``resolution``, which gives the buyer the money,
    or a ``block``."""
    with buyer.object_transaction(world, "payment_intent", payment) as tx:
        result: Object = copy(
            disputes.open_prevented_dispute(
                tx, _find_charge(tx, "payment_intent", payment), case_type
            )
        )
        return result


def decide_dispute(world: World, dispute_id: str, outcome: str) -> Object:
    """``won``, ``lost`` or ``warning_closed``; ``escalated`` makes a chargeback of an inquiry."""
    with buyer.object_transaction(world, disputes.KIND, dispute_id) as tx:
        dispute = tx.path_object(disputes.KIND, dispute_id)
        if outcome == "escalated" and dispute["status"] in disputes.INQUIRIES:
            disputes.escalate_inquiry(tx, dispute)
        else:
            disputes.decide_dispute(tx, dispute, outcome)
        result: Object = copy(dispute)
        return result


def fail_refund(world: World, refund: str) -> Object:
    """Send a refund back that was pending or had succeeded, whatever the card."""
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
