"""Routes of early fraud warnings, which are read-only."""

from __future__ import annotations

from stripe.params.radar import EarlyFraudWarningListParams, EarlyFraudWarningRetrieveParams

from sandbox.early_fraud_warnings import KIND
from sandbox.objects import Object, Params
from sandbox.pagination import list_page
from sandbox.routing import Routes
from sandbox.transaction import Transaction

routes = Routes()
PATH = "/v1/radar/early_fraud_warnings"


@routes.get(f"{PATH}/<id>", EarlyFraudWarningRetrieveParams)
def retrieve(tx: Transaction, params: Params, warning_id: str) -> Object:
    return tx.path_object(KIND, warning_id)


@routes.get(PATH, EarlyFraudWarningListParams)
def list_(tx: Transaction, params: Params) -> Object:
    def wanted(warning: Object) -> bool:
        return all(
            warning[name] == params.get(name, warning[name])
            for name in ("charge", "payment_intent")
        )

    return list_page(tx, KIND, params, url=PATH, where=wanted)
