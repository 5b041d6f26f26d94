"""The customer's balance and its transactions. Below 0 the customer has credit for invoices."""

from __future__ import annotations

from sandbox.objects import Object
from sandbox.transaction import Transaction

KIND = "customer_balance_transaction"


def change_balance(
    tx: Transaction,
    customer: Object,
    amount: int,
    *,
    currency: str,
    transaction_type: str,
    invoice: str | None = None,
    credit_note: str | None = None,
) -> Object:
    """Add the amount, in minor units, and emit ``customer.updated``. Returns the transaction."""
    with tx.updating(customer, "customer.updated"):
        customer["balance"] += amount
        customer["currency"] = currency
    return record_transaction(
        tx,
        customer,
        amount,
        currency=currency,
        transaction_type=transaction_type,
        invoice=invoice,
        credit_note=credit_note,
    )


def record_transaction(
    tx: Transaction,
    customer: Object,
    amount: int,
    *,
    currency: str,
    transaction_type: str,
    invoice: str | None = None,
    credit_note: str | None = None,
) -> Object:
    """Insert the transaction of a balance that has been changed already."""
    return tx.insert(
        {
            "id": tx.new_id("cbtxn"),
            "object": KIND,
            "amount": amount,
            "checkout_session": None,
            "created": tx.now,
            "credit_note": credit_note,
            "currency": currency,
            "customer": customer["id"],
            "customer_account": None,
            "description": None,
            "ending_balance": customer["balance"],
            "invoice": invoice,
            "livemode": False,
            "metadata": {},
            "type": transaction_type,
        }
    )
