"""Tax rates: the merchant's, and one for each rate of automatic tax."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stripe.params import TaxRateCreateParams, TaxRateListParams, TaxRateRetrieveParams

from sandbox.errors import invalid, refuse_unsupported
from sandbox.objects import Object, Params, copy, merge_metadata
from sandbox.pagination import list_page
from sandbox.routing import Routes
from sandbox.transaction import Transaction

if TYPE_CHECKING:
    from sandbox.billing.taxes import TaxRule

routes = Routes()

KIND = "tax_rate"


@routes.post("/v1/tax_rates", TaxRateCreateParams)
def create(tx: Transaction, params: Params) -> Object:
    refuse_unsupported(params, "active", "jurisdiction", "tax_type")
    percentage = float(params["percentage"])
    if not 0 <= percentage <= 100:
        raise invalid("`percentage` is between 0 and 100.", param="percentage")
    rate = {
        **_build_empty(tx),
        "country": params.get("country"),
        "description": params.get("description"),
        "display_name": params["display_name"],
        "inclusive": params["inclusive"],
        "percentage": percentage,
        "state": params.get("state"),
    }
    merge_metadata(rate, params.get("metadata"))
    tx.emit("tax_rate.created", tx.insert(rate))
    return rate


@routes.get("/v1/tax_rates/<id>", TaxRateRetrieveParams)
def retrieve(tx: Transaction, params: Params, rate_id: str) -> Object:
    return tx.path_object(KIND, rate_id)


@routes.get("/v1/tax_rates", TaxRateListParams)
def list_(tx: Transaction, params: Params) -> Object:
    def wanted(rate: Object) -> bool:
        return all(rate[name] == params.get(name, rate[name]) for name in ("active", "inclusive"))

    return list_page(tx, KIND, params, url="/v1/tax_rates", where=wanted)


def resolve_rates(tx: Transaction, ids: list[str] | str, *, param: str) -> list[Object]:
    """Copies of the tax rates that a parameter names; an empty string: none."""
    return [
        copy(tx.param_object(KIND, id, param=f"{param}[{index}]"))
        for index, id in enumerate(ids or ())
    ]


def find_or_create_automatic(tx: Transaction, rate: TaxRule, *, inclusive: bool) -> Object:
    """The account's tax rate for this rule; inserted when it is first needed."""

    def fits(existing: Object) -> bool:
        return bool(
            existing["effective_percentage"] is not None
            and (existing["country"], existing["state"], existing["inclusive"])
            == (rate.country, rate.state, inclusive)
        )

    for existing in tx.list_objects(KIND, fits):
        return existing
    return tx.insert(_build_automatic(tx, rate, inclusive=inclusive))


def _build_automatic(tx: Transaction, rate: TaxRule, *, inclusive: bool) -> Object:
    return {
        **_build_empty(tx),
        "country": rate.country,
        "display_name": rate.name,
        "effective_percentage": float(rate.percentage),
        "inclusive": inclusive,
        "jurisdiction": rate.state or rate.country,
        "jurisdiction_level": "state" if rate.state else "country",
        "percentage": float(rate.percentage),
        "rate_type": "percentage",
        "state": rate.state,
        "tax_type": rate.type,
    }


def _build_empty(tx: Transaction) -> Object:
    return {
        "id": tx.new_id("txr"),
        "object": KIND,
        "active": True,
        "country": None,
        "created": tx.now,
        "description": None,
        "display_name": "",
        "effective_percentage": None,
        "flat_amount": None,
        "inclusive": False,
        "jurisdiction": None,
        "jurisdiction_level": None,
        "livemode": False,
        "metadata": {},
        "percentage": 0.0,
        "rate_type": "percentage",
        "state": None,
        "tax_type": None,
    }
