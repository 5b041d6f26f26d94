"""Data of a session that Stripe does not show."""

from __future__ import annotations

from sandbox.objects import Object, Params
from sandbox.transaction import Transaction

KIND = "_checkout"


def insert_record(tx: Transaction, session: Object, params: Params, items: list[Object]) -> Object:
    return tx.insert(
        {
            "object": KIND,
            "id": session["id"],
            "items": [item["id"] for item in items],
            "payment_intent_data": params.get("payment_intent_data", {}),
            "setup_intent_data": params.get("setup_intent_data", {}),
            "subscription_data": params.get("subscription_data", {}),
            "customer_update": params.get("customer_update", {}),
            "email": None,
            "address": None,
            "name": None,
            "customer": None,
            "intents": [],
        }
    )


def find_record(tx: Transaction, session: Object) -> Object:
    record = tx.get(KIND, session["id"])
    assert record, "each session has a record"
    return record


def list_items(tx: Transaction, session: Object) -> list[Object]:
    """The session's line items, in order."""
    return [
        tx.param_object("item", id, param="line_items") for id in find_record(tx, session)["items"]
    ]
