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


def dispute(
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
    with buyer.at(world, kind, payment) as tx:
        charge = _charge(tx, kind, payment)
        opened = disputes.open_for(tx, charge, reason=reason, amount=amount, inquiry=inquiry)
        shown: Object = copy(opened)
        return shown


def warn(world: World, payment: str, *, fraud_type: str = "misc") -> Object:
    """The card's issuer calls the payment fraudulent; no money moves."""
    kind = "payment_intent" if payment.startswith("pi_") else "charge"
    with buyer.at(world, kind, payment) as tx:
        shown: Object = copy(
            early_fraud_warnings.warn(tx, _charge(tx, kind, payment), fraud_type=fraud_type)
        )
        return shown


def prevent(world: World, payment: str, *, case_type: str) -> Object:
    """A dispute that is over as it is raised: by a ``resolution``, which gives the buyer the money,
    or a ``block``."""
    with buyer.at(world, "payment_intent", payment) as tx:
        shown: Object = copy(
            disputes.prevent(tx, _charge(tx, "payment_intent", payment), case_type)
        )
        return shown


def decide(world: World, dispute_id: str, outcome: str) -> Object:
    """``won``, ``lost`` or ``warning_closed``; ``escalated`` makes a chargeback of an inquiry."""
    with buyer.at(world, disputes.KIND, dispute_id) as tx:
        found = tx.path_object(disputes.KIND, dispute_id)
        if outcome == "escalated" and found["status"] in disputes.INQUIRIES:
            disputes.escalate(tx, found)
        else:
            disputes.decide(tx, found, outcome)
        shown: Object = copy(found)
        return shown


def fail_refund(world: World, refund: str) -> Object:
    """Send a refund back that was pending or had succeeded, whatever the card."""
    with buyer.at(world, "refund", refund) as tx:
        found = tx.path_object("refund", refund)
        refunds.fail(tx, found)
        shown: Object = copy(found)
        return shown


def _charge(tx: Transaction, kind: str, payment: str) -> Object:
    body = tx.path_object(kind, payment)
    if kind == "charge":
        return body
    if not body["latest_charge"]:
        raise invalid(f"PaymentIntent {payment} has no charge to dispute.", param="charge")
    return charges.by_id(tx, body["latest_charge"])
