"""Billing credits: credit grants of a customer, applied to metered lines at finalization.

They apply after discounts and before taxes, smallest ``priority`` first.
"""

from __future__ import annotations

from sandbox.objects import Object
from sandbox.transaction import Transaction

KIND = "billing.credit_grant"
TRANSACTION_KIND = "billing.credit_balance_transaction"


def apply_credits(tx: Transaction, invoice: Object, lines: list[tuple[Object, int]]) -> None:
    """Apply the customer's grants to these lines. Each line comes with its unpaid amount."""
    for line, due in lines:
        remaining = due
        price = ((line["pricing"] or {}).get("price_details") or {}).get("price")
        for grant in _list_usable(tx, invoice, price):
            amount = min(remaining, compute_balance(tx, grant))
            if amount > 0:
                remaining -= amount
                _apply_credit(tx, invoice, line, grant, amount)


def compute_balance(tx: Transaction, grant: Object) -> int:
    """The available balance of a grant."""
    entries = tx.list_with(TRANSACTION_KIND, "credit_grant", grant["id"])
    return sum(_signed_amount(each) for each in entries)


def record_grant(tx: Transaction, grant: Object) -> None:
    """Record the transaction with the granted amount."""
    _insert_transaction(
        tx, grant, grant["amount"]["monetary"]["value"], credit={"type": "credits_granted"}
    )


def reinstate_credits(tx: Transaction, invoice: Object) -> None:
    """Return the credits that were applied to a voided invoice."""
    for entry in tx.list_objects(TRANSACTION_KIND, lambda each: _is_for(each, invoice)):
        grant = tx.param_object(KIND, entry["credit_grant"], param="credit_grant")
        applied = entry["debit"]["credits_applied"]
        back: Object = {"type": "credits_application_invoice_voided"}
        back["credits_application_invoice_voided"] = dict(applied)
        _insert_transaction(tx, grant, -_signed_amount(entry), credit=back)


def _list_usable(tx: Transaction, invoice: Object, price: str | None) -> list[Object]:
    grants = tx.list_objects(
        KIND,
        lambda grant: (
            grant["customer"] == invoice["customer"]
            and grant["amount"]["monetary"]["currency"] == invoice["currency"]
            and _covers(grant, price)
        ),
    )
    return sorted(grants, key=lambda grant: (grant["priority"], grant["created"]))


def _covers(grant: Object, price: str | None) -> bool:
    prices = grant["applicability_config"]["scope"].get("prices")
    return not prices or price in [each["id"] for each in prices]


def _apply_credit(
    tx: Transaction, invoice: Object, line: Object, grant: Object, amount: int
) -> None:
    applied = {"invoice": invoice["id"], "invoice_line_item": line["id"]}
    entry = _insert_transaction(
        tx, grant, amount, debit={"type": "credits_applied", "credits_applied": applied}
    )
    credit = {
        "amount": amount,
        "credit_balance_transaction": entry["id"],
        "type": "credit_balance_transaction",
    }
    line["pretax_credit_amounts"] = [*line["pretax_credit_amounts"], credit]
    totals = invoice["total_pretax_credit_amounts"]
    invoice["total_pretax_credit_amounts"] = [*totals, dict(credit)]


def _insert_transaction(
    tx: Transaction,
    grant: Object,
    amount: int,
    *,
    credit: Object | None = None,
    debit: Object | None = None,
) -> Object:
    currency = grant["amount"]["monetary"]["currency"]
    money = {"monetary": {"currency": currency, "value": amount}, "type": "monetary"}
    return tx.insert(
        {
            "id": tx.new_id("cbtxn"),
            "object": TRANSACTION_KIND,
            "created": tx.now,
            "credit": None if credit is None else {"amount": money, **credit},
            "credit_grant": grant["id"],
            "debit": None if debit is None else {"amount": money, **debit},
            "effective_at": tx.now,
            "livemode": False,
            "test_clock": grant["test_clock"],
            "type": "debit" if credit is None else "credit",
        }
    )


def _signed_amount(entry: Object) -> int:
    sign = 1 if entry["type"] == "credit" else -1
    return sign * int(entry[entry["type"]]["amount"]["monetary"]["value"])


def _is_for(entry: Object, invoice: Object) -> bool:
    applied = (entry["debit"] or {}).get("credits_applied")
    return bool(applied and applied["invoice"] == invoice["id"])
