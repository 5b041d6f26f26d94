"""Bank debits: the payment intent is ``processing`` until the bank answers days later."""

from __future__ import annotations

from sandbox import bank_accounts, disputes
from sandbox.bank_accounts import BankAccount
from sandbox.cards import Decline
from sandbox.errors import invalid
from sandbox.forced_declines import take_forced_decline
from sandbox.objects import Object
from sandbox.resources import charges, payment_methods
from sandbox.transaction import Transaction

ANSWER = "_debit_answer"
"""Record kind: the bank's future answer to a debit, and its due time."""


def check_debit(intent: Object, account: BankAccount) -> None:
    """Raise 400 for a debit in another currency than the account's, or with manual capture."""
    if bank_accounts.CURRENCY[account.type] != intent["currency"]:
        raise invalid(
            f"The currency provided ({intent['currency']}) is invalid for payment methods of type "
            f"{account.type}: it must be {bank_accounts.CURRENCY[account.type]}.",
            param="payment_method",
        )
    if intent["capture_method"] == "manual":
        raise invalid(
            f"Payment methods of type {account.type} cannot be captured manually.",
            param="capture_method",
        )


def start_debit(tx: Transaction, intent: Object, method: Object, account: BankAccount) -> None:
    """Create a pending charge and schedule the bank's answer."""
    refused = take_forced_decline(tx, intent["customer"]) or account.failure
    charge = charges.insert_charge(tx, intent, method, decline=None, captured=False)
    charge |= {"paid": False, "status": "pending", "outcome": None}
    intent |= {"latest_charge": charge["id"], "status": "processing"}
    if account.type not in intent["payment_method_types"]:
        intent["payment_method_types"] = [*intent["payment_method_types"], account.type]
    if intent["setup_future_usage"] and intent["customer"]:
        payment_methods.attach_method(tx, method, intent["customer"])
    payment_methods.mark_method(tx, method, spent=True)
    if account.answer_seconds is not None:
        answer = {"object": ANSWER, "id": intent["id"], "due": tx.now + account.answer_seconds}
        tx.insert({**answer, "refused": refused and [refused.code, refused.message]})
    tx.emit("payment_intent.processing", intent)


def take_answer(tx: Transaction, intent: Object) -> Decline | None:
    """Return the bank's decline, or None when it has paid, and remove the scheduled answer."""
    record = tx.get(ANSWER, intent["id"])
    assert record, "each processing debit has a scheduled answer"
    tx.remove(record)
    if not record["refused"]:
        return None
    code, message = record["refused"]
    return Decline(code, None, message, None)


def cancel_answer(tx: Transaction, intent: Object) -> None:
    """Remove the scheduled answer of a canceled intent."""
    if record := tx.get(ANSWER, intent["id"]):
        tx.remove(record)


def complete_debit(tx: Transaction, intent: Object, method: Object) -> None:
    charge = charges.find_charge(tx, intent["latest_charge"])
    charges.complete_charge(tx, charge)
    intent |= {"status": "succeeded", "amount_received": intent["amount"]}
    if trigger := payment_methods.find_card(tx, method).dispute_trigger:
        disputes.schedule_dispute(tx, charge, trigger)
    tx.emit("charge.succeeded", charge)
    tx.emit("payment_intent.succeeded", intent)


def is_debit(tx: Transaction, intent: Object) -> bool:
    """Whether the payment method of the latest charge is a bank debit."""
    if not intent["latest_charge"]:
        return False
    details = charges.find_charge(tx, intent["latest_charge"])["payment_method_details"]
    return bool(details["type"] in bank_accounts.CURRENCY)
