"""Orders to the bank for one customer: decline the next payments, or all until told otherwise."""

from __future__ import annotations

from sandbox.cards import DECLINES, Decline
from sandbox.transaction import Transaction

KIND = "_payment_behaviour"


def decline_payments(
    tx: Transaction, customer: str, *, reason: str = "generic_decline", times: int | None = None
) -> None:
    """Decline the customer's next payments, whatever the card; ``times=None``: until accepted.

    Raises ``KeyError`` for a reason that ``cards.DECLINES`` does not know.
    """
    tx.param_object("customer", customer, param="customer")
    if reason not in DECLINES:
        raise KeyError(f"Unknown reason {reason!r}; one of {', '.join(DECLINES)}.")
    tx.insert({"object": KIND, "id": customer, "reason": reason, "left": times})


def accept_payments(tx: Transaction, customer: str) -> None:
    """Let the customer's cards decide again."""
    order = tx.get(KIND, customer)
    if order:
        tx.remove(order)


def take_forced_decline(tx: Transaction, customer: str | None) -> Decline | None:
    """The decline that was ordered for this payment, if any; counts it as used."""
    order = tx.get(KIND, customer) if customer else None
    if not order or order["left"] == 0:
        return None
    if order["left"] is not None:
        order["left"] -= 1
    return DECLINES[order["reason"]]
