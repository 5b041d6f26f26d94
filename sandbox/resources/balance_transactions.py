"""Balance transactions of charges, refunds and disputes, with Stripe's fees."""

from __future__ import annotations

from stripe.params import BalanceTransactionListParams, BalanceTransactionRetrieveParams

from sandbox.objects import Object, Params
from sandbox.pagination import list_page
from sandbox.routing import Routes
from sandbox.transaction import Transaction

routes = Routes()

SETTLEMENT_SECONDS = 2 * 86400


@routes.get("/v1/balance_transactions/<id>", BalanceTransactionRetrieveParams)
def retrieve(tx: Transaction, params: Params, transaction_id: str) -> Object:
    return _update_status(tx, tx.path_object("balance_transaction", transaction_id))


@routes.get("/v1/balance_transactions", BalanceTransactionListParams)
def list_(tx: Transaction, params: Params) -> Object:
    def wanted(entry: Object) -> bool:
        return all(
            entry[name] == params.get(name, entry[name]) for name in ("currency", "source", "type")
        )

    result = list_page(
        tx, "balance_transaction", params, url="/v1/balance_transactions", where=wanted
    )
    for entry in result["data"]:
        _update_status(tx, entry)
    return result


def insert_for_charge(tx: Transaction, charge: Object) -> Object:
    """Insert the transaction of a charge. Stripe's fee: 2.9 % and 30 minor units."""
    fee = round(charge["amount_captured"] * 29 / 1000) + 30
    return _insert(tx, charge, charge["amount_captured"], fee, "charge")


def insert_for_refund(tx: Transaction, refund: Object) -> Object:
    """Insert the transaction of a refund. The fee of the charge is not returned."""
    return _insert(tx, refund, -refund["amount"], 0, "refund")


def insert_for_failed_refund(tx: Transaction, refund: Object) -> Object:
    return _insert(tx, refund, refund["amount"], 0, "refund_failure")


def insert_for_dispute(tx: Transaction, dispute: Object, *, fee: int) -> Object:
    """Insert the transaction of a dispute: the disputed amount and Stripe's fee are withdrawn."""
    return _insert(tx, dispute, -dispute["amount"], fee, "adjustment", category="dispute")


def insert_for_won_dispute(tx: Transaction, dispute: Object) -> Object:
    amount: int = dispute["amount"]
    return _insert(tx, dispute, amount, 0, "adjustment", category="dispute_reversal")


def _insert(
    tx: Transaction,
    source: Object,
    amount: int,
    fee: int,
    transaction_type: str,
    *,
    category: str | None = None,
) -> Object:
    detail = {
        "amount": fee,
        "application": None,
        "currency": source["currency"],
        "description": "Stripe processing fees",
        "type": "stripe_fee",
    }
    return tx.insert(
        {
            "id": tx.new_id("txn"),
            "object": "balance_transaction",
            "amount": amount,
            "available_on": tx.now + SETTLEMENT_SECONDS,
            "balance_type": "payments",
            "created": tx.now,
            "currency": source["currency"],
            "description": source.get("description"),
            "exchange_rate": None,
            "fee": fee,
            "fee_details": [detail] if fee else [],
            "net": amount - fee,
            "reporting_category": category or transaction_type,
            "source": source["id"],
            "status": "pending",
            "type": transaction_type,
        }
    )


def _update_status(tx: Transaction, entry: Object) -> Object:
    entry["status"] = "available" if entry["available_on"] <= tx.now else "pending"
    return entry
