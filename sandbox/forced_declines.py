"""Forced declines: the bank declines a customer's next payments, whatever the card."""

from __future__ import annotations

from sandbox.cards import DECLINES, Decline
from sandbox.transaction import Transaction

KIND = "_payment_behaviour"


def decline_payments(
    tx: Transaction, customer: str, *, reason: str = "generic_decline", times: int | None = None
) -> None:
    """Decline the customer's next ``times`` payments; None: until ``accept_payments``.

    Raises ``KeyError`` for a reason that is not in ``cards.DECLINES``.
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
    """The forced decline for this payment, if any; counts as used."""
    order = tx.get(KIND, customer) if customer else None
    if not order or order["left"] == 0:
        return None
    if order["left"] is not None:
        order["left"] -= 1
    return DECLINES[order["reason"]]
