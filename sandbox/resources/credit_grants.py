"""Routes of credit grants and credit balance transactions."""

from __future__ import annotations

from stripe.params.billing import (
    CreditBalanceTransactionListParams,
    CreditBalanceTransactionRetrieveParams,
    CreditGrantCreateParams,
    CreditGrantListParams,
    CreditGrantRetrieveParams,
)

from sandbox.billing import credit_grants, pricing
from sandbox.billing.credit_grants import KIND, TRANSACTION_KIND
from sandbox.errors import invalid, missing_param, refuse_unsupported
from sandbox.objects import Object, Params, copy, merge_metadata
from sandbox.pagination import list_page
from sandbox.routing import Routes
from sandbox.transaction import Transaction

routes = Routes()

GRANTS_PATH = "/v1/billing/credit_grants"
TRANSACTIONS_PATH = "/v1/billing/credit_balance_transactions"


@routes.post(GRANTS_PATH, CreditGrantCreateParams)
def create(tx: Transaction, params: Params) -> Object:
    refuse_unsupported(params, "customer_account", "effective_at", "expires_at")
    if "customer" not in params:
        raise missing_param("customer")
    customer = tx.param_object("customer", params["customer"], param="customer")
    amount = params["amount"].get("monetary")
    if not amount or amount["value"] < 1:
        raise invalid("Invalid positive integer", param="amount[monetary][value]")
    grant = {
        "id": tx.new_id("credgr"),
        "object": KIND,
        "amount": {
            "monetary": {"currency": amount["currency"].lower(), "value": amount["value"]},
            "type": "monetary",
        },
        "applicability_config": {"scope": _read_scope(tx, params)},
        "category": params.get("category", "paid"),
        "created": tx.now,
        "customer": customer["id"],
        "customer_account": None,
        "effective_at": tx.now,
        "expires_at": None,
        "livemode": False,
        "metadata": {},
        "name": params.get("name"),
        "priority": params.get("priority", 50),
        "test_clock": customer["test_clock"],
        "updated": tx.now,
        "voided_at": None,
    }
    merge_metadata(grant, params.get("metadata"))
    tx.insert(grant)
    credit_grants.record_grant(tx, grant)
    tx.emit("billing.credit_grant.created", grant)
    return grant


@routes.get(f"{GRANTS_PATH}/<id>", CreditGrantRetrieveParams)
def retrieve(tx: Transaction, params: Params, object_id: str) -> Object:
    return tx.path_object(KIND, object_id)


@routes.get(GRANTS_PATH, CreditGrantListParams)
def list_(tx: Transaction, params: Params) -> Object:
    def wanted(grant: Object) -> bool:
        return bool(grant["customer"] == params.get("customer", grant["customer"]))

    return list_page(tx, KIND, params, url=GRANTS_PATH, where=wanted)


@routes.get(f"{TRANSACTIONS_PATH}/<id>", CreditBalanceTransactionRetrieveParams)
def retrieve_transaction(tx: Transaction, params: Params, object_id: str) -> Object:
    return tx.path_object(TRANSACTION_KIND, object_id)


@routes.get(TRANSACTIONS_PATH, CreditBalanceTransactionListParams)
def list_transactions(tx: Transaction, params: Params) -> Object:
    def wanted(entry: Object) -> bool:
        grant = entry["credit_grant"]
        return bool(grant == params.get("credit_grant", grant))

    return list_page(tx, TRANSACTION_KIND, params, url=TRANSACTIONS_PATH, where=wanted)


def _read_scope(tx: Transaction, params: Params) -> Object:
    """Read the scope. Raises 400 for prices without a meter."""
    scope: Object = copy(params["applicability_config"]["scope"])
    if ("price_type" in scope) == ("prices" in scope):
        raise invalid(
            "You must provide exactly one of these parameters: price_type, prices.",
            param="applicability_config[scope]",
        )
    for each in scope.get("prices", []):
        price = tx.param_object("price", each["id"], param="applicability_config[scope][prices]")
        if not pricing.is_metered(price):
            raise invalid(
                "Credit grants apply to prices with a Billing Meter only.",
                param="applicability_config[scope][prices]",
            )
    return scope
