"""Tax rates: made by automatic tax, one for each rate it applies. The API only reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stripe.params import TaxRateListParams, TaxRateRetrieveParams

from sandbox.objects import Object, Params
from sandbox.pagination import page
from sandbox.routing import Routes
from sandbox.transaction import Transaction

if TYPE_CHECKING:
    from sandbox.billing.taxes import Rate

routes = Routes()

KIND = "tax_rate"


@routes.get("/v1/tax_rates/<id>", TaxRateRetrieveParams)
def retrieve(tx: Transaction, params: Params, id: str) -> Object:
    return tx.path_object(KIND, id)


@routes.get("/v1/tax_rates", TaxRateListParams)
def list_(tx: Transaction, params: Params) -> Object:
    def wanted(rate: Object) -> bool:
        return all(rate[name] == params.get(name, rate[name]) for name in ("active", "inclusive"))

    return page(tx, KIND, params, url="/v1/tax_rates", where=wanted)


def automatic(tx: Transaction, rate: Rate, *, inclusive: bool) -> Object:
    """The account's tax rate for this; made when it is first needed."""

    def fits(known: Object) -> bool:
        return bool(
            (known["country"], known["state"], known["inclusive"])
            == (rate.country, rate.state, inclusive)
        )

    for known in tx.all(KIND, fits):
        return known
    return tx.insert(_build(tx, rate, inclusive=inclusive))


def _build(tx: Transaction, rate: Rate, *, inclusive: bool) -> Object:
    return {
        "id": tx.new_id("txr"),
        "object": KIND,
        "active": True,
        "country": rate.country,
        "created": tx.now,
        "description": None,
        "display_name": rate.name,
        "effective_percentage": float(rate.percentage),
        "flat_amount": None,
        "inclusive": inclusive,
        "jurisdiction": rate.state or rate.country,
        "jurisdiction_level": "state" if rate.state else "country",
        "livemode": False,
        "metadata": {},
        "percentage": float(rate.percentage),
        "rate_type": "percentage",
        "state": rate.state,
        "tax_type": rate.type,
    }
