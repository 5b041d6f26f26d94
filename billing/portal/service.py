"""Configure Stripe's customer portal and open it for a user.

A change of the settings sends nothing to Stripe. A portal configuration for the settings and the
prices on sale is created at Stripe when the first user needs it, and reused afterwards.
"""

import hashlib
import json
from datetime import datetime
from typing import Any

from django.db import transaction

from billing.accounts import service as stripe_accounts
from billing.catalog.selectors import catalog
from billing.checkout import return_urls
from billing.errors import PortalNotAvailable
from billing.models import StripeAccount, StripeCustomer
from billing.models.outbound import Outbound
from billing.models.portal import Cancellation, PortalConfiguration, PortalSettings
from billing.outbound import intents
from billing.portal import flows
from billing.portal import selectors as portal
from billing.portal.flows import Flow
from billing.portal.selectors import Obstacle, PortalOffer
from billing.stripe import portal as stripe_portal
from billing.stripe.client import client_for
from billing.stripe.errors import StripeRefused
from billing.stripe.fields import Fields
from common.inserts import insert
from events.audit import audit_trail as audit
from projects.customers import selectors as customers
from projects.keys.selectors import projects
from projects.models import Project

STRIPE_CANCELLATION_MODES = {
    Cancellation.PERIOD_END: "at_period_end",
    Cancellation.NOW: "immediately",
}
"""Stripe's cancellation mode of each setting."""
CHANGEABLE_FIELDS = (
    "headline",
    "cancellation",
    "plan_changes",
    "products",
    "payment_methods",
    "invoices",
    "default_return_url",
)


def find_obstacles(*, project: Project, user_id: str) -> list[Obstacle]:
    """Return every reason why the portal cannot be opened for this user; empty if it can."""
    account = stripe_accounts.account_for(project)
    customer = customers.find(project=project, user_id=user_id)
    return portal.find_obstacles(project=project, account=account, customer=customer)


def configure(
    *, project: Project, changes: dict[str, Any], actor: str, at: datetime
) -> PortalSettings:
    """Store these portal settings of the project and return them all.

    Raises RedirectRefused for a return address that the project does not allow, NotFound for a
    product that it does not have.
    """
    if url := changes.get("default_return_url"):
        return_urls.check(project=project, url=url, field="default_return_url")
    for product_id in changes.get("products", ()):
        catalog.product(project=project, product_id=product_id)
    with transaction.atomic():
        projects.lock(project_id=project.pk)
        row = portal.get_settings(project)
        before = {name: getattr(row, name) for name in changes if name in CHANGEABLE_FIELDS}
        for name in before:
            setattr(row, name, changes[name])
        row.save()
        audit.record(
            actor=actor,
            action="portal.configure",
            subject=row.pk,
            project_id=project.pk,
            before=before,
            after={name: changes[name] for name in before},
            at=at,
        )
    return row


def open_session(
    *,
    project: Project,
    user_id: str,
    return_url: str,
    flow: Flow | None,
    request: str,
    at: datetime,
) -> str:
    """Return a link to the portal for this user, which expires after a few minutes.

    The same ``request`` gets the same link. Raises PortalNotAvailable with the reasons,
    RedirectRefused, NotFound for an id of the flow, Invalid or StripeRefused for a flow that the
    portal does not offer, StripeUnavailable.
    """
    account = stripe_accounts.account_for(project)
    customer = customers.find(project=project, user_id=user_id)
    obstacles = portal.find_obstacles(project=project, account=account, customer=customer)
    if obstacles or customer is None:
        raise PortalNotAvailable(
            "See reasons. GET /portal/eligibility returns them before you show a button.",
            reasons=[obstacle.value for obstacle in obstacles],
        )
    portal_settings = portal.get_settings(project)
    return_url = return_url or portal_settings.default_return_url
    if return_url:
        return_urls.check(project=project, url=return_url, field="return_url")
    buyer = portal.find_buyer(customer=customer, account=account)
    assert buyer is not None  # has bought
    assert buyer.stripe_id is not None
    offers = _list_offers(project, account, portal_settings, currency=portal.find_currency(buyer))
    flow_params = (
        flows.build_params(
            project=project,
            customer=customer,
            portal_settings=portal_settings,
            flow=flow,
            return_url=return_url,
            offers=offers,
        )
        if flow is not None
        else None
    )
    configuration = _ensure_configuration(project, account, portal_settings, offers, at=at)
    session = _create_session(buyer, configuration, return_url, flow_params, request, at)
    return str(session["url"])


def restore_configuration(*, configuration: PortalConfiguration, at: datetime) -> None:
    """Undo changes that somebody made to the configuration at Stripe. Raises Stripe errors."""
    params = stripe_portal.restore_params(configuration.content)
    target = str(configuration.stripe_id)
    request = f"restore {at.isoformat()}"
    _change_object(configuration, stripe_portal.CHANGE_CONFIGURATION, target, params, request, at)


def list_offers(*, project: Project) -> list[PortalOffer]:
    """Return the products and prices that users may change between in the portal."""
    account = stripe_accounts.account_for(project)
    return _list_offers(project, account, portal.get_settings(project))


def _create_session(
    buyer: StripeCustomer,
    configuration: PortalConfiguration,
    return_url: str,
    flow_params: Fields | None,
    request: str,
    at: datetime,
) -> Fields:
    """Create the session. Reactivate the configuration if somebody deactivated it at Stripe."""
    stripe_id = str(configuration.stripe_id)
    try:
        return _request_session(buyer, stripe_id, return_url, flow_params, request, at)
    except StripeRefused:
        if stripe_portal.is_active(client_for(configuration.account), stripe_id):
            raise
    operation = stripe_portal.CHANGE_CONFIGURATION
    _change_object(configuration, operation, stripe_id, {"active": True}, request, at)
    return _request_session(buyer, stripe_id, return_url, flow_params, request, at)


def _request_session(
    buyer: StripeCustomer,
    configuration_stripe_id: str,
    return_url: str,
    flow_params: Fields | None,
    request: str,
    at: datetime,
) -> Fields:
    customer = str(buyer.stripe_id)
    params = stripe_portal.session(
        customer=customer,
        configuration=configuration_stripe_id,
        return_url=return_url,
        flow=flow_params,
    )
    return _change_object(buyer, stripe_portal.CREATE_SESSION, customer, params, request, at)


def _change_object(
    subject: Outbound, operation: str, target: str, params: Fields, request: str, at: datetime
) -> Fields:
    return intents.change_object(
        project_id=subject.project_id,
        account=subject.account,
        operation=operation,
        subject=subject.pk,
        target=target,
        params=params,
        request=request,
        at=at,
    )


def _ensure_configuration(
    project: Project,
    account: StripeAccount,
    portal_settings: PortalSettings,
    offers: list[PortalOffer],
    *,
    at: datetime,
) -> PortalConfiguration:
    """Return the configuration with these settings and offers. Create it at Stripe if needed."""
    params = _build_configuration_params(account, portal_settings, offers)
    params_json = json.dumps(params, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(params_json.encode()).hexdigest()
    rows = PortalConfiguration.objects.for_project(project)
    same_digest = rows.filter(account=account, digest=digest).select_related("account")
    row = same_digest.first()
    if row is None:
        new = PortalConfiguration(project=project, account=account, digest=digest, content=params)
        row = new if insert(new) else same_digest.get()
    if not row.content:
        rows.filter(pk=row.pk).update(content=params)
    if not row.stripe_id:
        intents.create_object(
            row, operation=stripe_portal.CREATE_CONFIGURATION, params=params, at=at
        )
    return row


def _list_offers(
    project: Project, account: StripeAccount, portal_settings: PortalSettings, *, currency: str = ""
) -> list[PortalOffer]:
    if not portal_settings.plan_changes:
        return []
    return portal.list_offers(
        project=project, account=account, products=portal_settings.products, currency=currency
    )


def _build_configuration_params(
    account: StripeAccount, portal_settings: PortalSettings, offers: list[PortalOffer]
) -> Fields:
    return stripe_portal.configuration(
        headline=portal_settings.headline,
        cancels=STRIPE_CANCELLATION_MODES.get(Cancellation(portal_settings.cancellation), ""),
        offers=[
            stripe_portal.PortalProduct(
                product=offer.product.stripe_id or "",
                prices=[price.stripe_id or "" for price in offer.prices],
            )
            for offer in offers
        ],
        payment_methods=portal_settings.payment_methods,
        invoices=portal_settings.invoices,
        default_return_url=portal_settings.default_return_url,
        takes_codes=not account.is_shared,
    )
