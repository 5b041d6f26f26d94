"""Routes of portal sessions: a link for one customer."""

from __future__ import annotations

from stripe.params.billing_portal import SessionCreateParams

from sandbox.errors import invalid, missing_param, refuse_unsupported
from sandbox.objects import Object, Params
from sandbox.portal import flows, visits
from sandbox.resources import portal_configurations
from sandbox.routing import Routes
from sandbox.transaction import Transaction

routes = Routes()


@routes.post("/v1/billing_portal/sessions", SessionCreateParams)
def create(tx: Transaction, params: Params) -> Object:
    refuse_unsupported(params, "after_expiration", "customer_account", "on_behalf_of")
    if "customer" not in params:
        raise missing_param("customer")
    customer = tx.param_object("customer", params["customer"], param="customer")
    configuration = _find_configuration(tx, params)
    secret = f"test_{tx.world.ids.token(40)}"
    session: Object = {
        "id": tx.new_id("bps"),
        "object": visits.KIND,
        "after_expiration": None,
        "configuration": configuration["id"],
        "created": tx.now,
        "customer": customer["id"],
        "customer_account": None,
        "flow": flows.read_flow(tx, configuration, customer["id"], params.get("flow_data")),
        "livemode": False,
        "locale": params.get("locale"),
        "on_behalf_of": None,
        "return_url": params.get("return_url", configuration["default_return_url"]),
        "url": f"{tx.world.base_url}/pages/portal/{secret}",
    }
    tx.insert(session)
    visits.insert_visit(tx, session, secret)
    tx.emit("billing_portal.session.created", session)
    return session


def _find_configuration(tx: Transaction, params: Params) -> Object:
    """The named configuration, or the account's default one."""
    if "configuration" in params:
        id = params["configuration"]
        configuration = tx.param_object(portal_configurations.KIND, id, param="configuration")
    else:
        defaults = tx.list_objects(
            portal_configurations.KIND, lambda each: bool(each["is_default"])
        )
        if not defaults:
            raise invalid(
                "No configuration provided and your test mode default configuration has not been "
                "created. Provide a configuration or create your default by saving your customer "
                "portal settings in test mode at "
                "https://dashboard.stripe.com/test/settings/billing/portal."
            )
        configuration = defaults[0]
    if not configuration["active"]:
        raise invalid(
            f"The configuration `{configuration['id']}` is inactive.", param="configuration"
        )
    return configuration
