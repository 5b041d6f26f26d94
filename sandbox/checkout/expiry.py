"""Expiry of sessions."""

from __future__ import annotations

from sandbox import payments
from sandbox.checkout import session_records
from sandbox.objects import Object
from sandbox.transaction import Transaction

UNFINISHED = ("requires_payment_method", "requires_confirmation", "requires_action")


def expire_session(tx: Transaction, session: Object) -> None:
    """Expire the session and cancel its unfinished payment intent."""
    session |= {"status": "expired", "url": None}
    for id in session_records.find_record(tx, session)["intents"]:
        intent = tx.get("payment_intent", id)
        if intent and intent["status"] in UNFINISHED:
            payments.cancel_payment(tx, intent, "expired")
    tx.emit("checkout.session.expired", session)
