"""Routes of portal configurations: the features of the customer portal."""

from __future__ import annotations

from stripe.params.billing_portal import (
    ConfigurationCreateParams,
    ConfigurationListParams,
    ConfigurationRetrieveParams,
    ConfigurationUpdateParams,
)

from sandbox.errors import invalid
from sandbox.objects import Object, Params, assign, merge_metadata
from sandbox.pagination import list_page
from sandbox.portal import features
from sandbox.routing import Routes
from sandbox.transaction import Transaction

routes = Routes()

KIND = "billing_portal.configuration"
URL = "/v1/billing_portal/configurations"


@routes.post(URL, ConfigurationCreateParams)
def create(tx: Transaction, params: Params) -> Object:
    configuration: Object = {
        "id": tx.new_id("bpc"),
        "object": KIND,
        "active": True,
        "application": None,
        "business_profile": {
            "headline": None,
            "privacy_policy_url": None,
            "terms_of_service_url": None,
        },
        "created": tx.now,
        "default_return_url": None,
        "features": features.default_features(),
        "is_default": False,
        "livemode": False,
        "login_page": {"enabled": False, "url": None},
        "metadata": {},
        "name": None,
        "updated": tx.now,
    }
    _apply_params(tx, configuration, params)
    tx.insert(configuration)
    tx.emit("billing_portal.configuration.created", configuration)
    return configuration


@routes.get(f"{URL}/<id>", ConfigurationRetrieveParams)
def retrieve(tx: Transaction, params: Params, configuration_id: str) -> Object:
    return tx.path_object(KIND, configuration_id)


@routes.post(f"{URL}/<id>", ConfigurationUpdateParams)
def update(tx: Transaction, params: Params, configuration_id: str) -> Object:
    configuration = tx.path_object(KIND, configuration_id)
    with tx.updating(configuration, "billing_portal.configuration.updated"):
        _apply_params(tx, configuration, params)
        assign(configuration, params, "active")
        configuration["updated"] = tx.now
    return configuration


@routes.get(URL, ConfigurationListParams)
def list_(tx: Transaction, params: Params) -> Object:
    def wanted(configuration: Object) -> bool:
        return all(
            configuration[name] == params.get(name, configuration[name])
            for name in ("active", "is_default")
        )

    return list_page(tx, KIND, params, url=URL, where=wanted)


def _apply_params(tx: Transaction, configuration: Object, params: Params) -> None:
    if params.get("login_page", {}).get("enabled"):
        raise invalid(
            "The sandbox's portal has no login page; make a session for each visit.",
            param="login_page[enabled]",
        )
    assign(configuration, params, "default_return_url", "name")
    profile = params.get("business_profile") or {}
    names = ("headline", "privacy_policy_url", "terms_of_service_url")
    assign(configuration["business_profile"], profile, *names)
    features.apply_features(tx, configuration["features"], params.get("features", {}))
    merge_metadata(configuration, params.get("metadata"))
