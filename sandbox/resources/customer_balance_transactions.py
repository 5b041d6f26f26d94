"""Routes of customer balance transactions, including manual adjustments."""

from __future__ import annotations

from stripe.params import (
    CustomerBalanceTransactionCreateParams,
    CustomerBalanceTransactionListParams,
    CustomerBalanceTransactionRetrieveParams,
)

from sandbox.billing import customer_balance, subscription_creation
from sandbox.billing.customer_balance import KIND
from sandbox.errors import no_such
from sandbox.objects import Object, Params, assign, merge_metadata
from sandbox.pagination import list_page
from sandbox.routing import Routes
from sandbox.transaction import Transaction

routes = Routes()

PATH = "/v1/customers/<customer>/balance_transactions"


@routes.post(PATH, CustomerBalanceTransactionCreateParams)
def create(tx: Transaction, params: Params, customer: str) -> Object:
    body = tx.path_object("customer", customer)
    currency = params["currency"].lower()
    subscription_creation.check_currency(body, currency)
    entry = customer_balance.change_balance(
        tx, body, params["amount"], currency=currency, transaction_type="adjustment"
    )
    assign(entry, params, "description")
    merge_metadata(entry, params.get("metadata"))
    return entry


@routes.get(PATH, CustomerBalanceTransactionListParams)
def list_(tx: Transaction, params: Params, customer: str) -> Object:
    tx.path_object("customer", customer)
    url = f"/v1/customers/{customer}/balance_transactions"
    return list_page(tx, KIND, params, url=url, where=lambda entry: entry["customer"] == customer)


@routes.get(f"{PATH}/<id>", CustomerBalanceTransactionRetrieveParams)
def retrieve(tx: Transaction, params: Params, customer: str, transaction_id: str) -> Object:
    entry = tx.path_object(KIND, transaction_id)
    if entry["customer"] != customer:
        raise no_such("customer_balance_transaction", transaction_id, in_path=True)
    return entry
