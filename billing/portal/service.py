"""Send a user to Stripe's portal, as the project has set it up.

Settings are ours, and nothing is sent to Stripe when they change. What they come to, together with
the prices that are on sale, is made at Stripe when a user first needs it, and used from then on.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from billing.accounts import service as stripe_accounts
from billing.catalog.selectors import catalog
from billing.checkout import return_urls
from billing.errors import PortalNotAvailable, SubscriptionEnded
from billing.models import StripeAccount, StripeCustomer, Subscription
from billing.models.outbound import Outbound
from billing.models.portal import Cancellation, PortalConfiguration, PortalSettings
from billing.outbound import intents
from billing.portal import selectors as portal
from billing.portal.selectors import Obstacle, Offered
from billing.stripe import portal as stripe_portal
from billing.stripe.client import client_for
from billing.stripe.errors import StripeRefused
from billing.stripe.fields import Fields
from billing.subscriptions.selectors import subscriptions
from common.errors import Invalid
from common.inserts import insert
from events.services import audit
from projects.customers import selectors as customers
from projects.keys.selectors import projects
from projects.models import Customer, Project

MODES = {Cancellation.PERIOD_END: "at_period_end", Cancellation.NOW: "immediately"}
"""Stripe's words."""
CHANGEABLE = (
    "headline",
    "cancellation",
    "plan_changes",
    "products",
    "payment_methods",
    "invoices",
    "default_return_url",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """One thing for the user to do there. ``type`` is Stripe's word; ids are ours."""

    type: str
    product: str = ""
    price: str = ""
    quantity: int | None = None


def obstacles(*, project: Project, user_id: str) -> list[Obstacle]:
    """Why this user cannot be sent to the portal; nothing when they can."""
    account = stripe_accounts.account_for(project)
    customer = customers.find(project=project, user_id=user_id)
    return portal.obstacles(project=project, account=account, customer=customer)


def configure(
    *, project: Project, changes: dict[str, Any], actor: str, at: datetime
) -> PortalSettings:
    """The project's settings with these fields replaced.

    Raises RedirectRefused for a return address, NotFound for a product, that is not the project's.
    """
    if url := changes.get("default_return_url"):
        return_urls.check(project=project, url=url, field="default_return_url")
    for product_id in changes.get("products", ()):
        catalog.product(project=project, product_id=product_id)
    with transaction.atomic():
        projects.lock(project_id=project.pk)
        row = portal.settings_of(project)
        before = {name: getattr(row, name) for name in changes if name in CHANGEABLE}
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
    """A link for this user, good for a few minutes. Once per ``request``.

    Raises PortalNotAvailable with the reasons, RedirectRefused, NotFound for what the flow names,
    StripeRefused when the portal does not offer what the flow is about, StripeUnavailable.
    """
    account = stripe_accounts.account_for(project)
    customer = customers.find(project=project, user_id=user_id)
    found = portal.obstacles(project=project, account=account, customer=customer)
    if found or customer is None:
        raise PortalNotAvailable(
            "reasons says why; GET /portal/eligibility tells beforehand.",
            reasons=[each.value for each in found],
        )
    said = portal.settings_of(project)
    back = return_url or said.default_return_url
    if back:
        return_urls.check(project=project, url=back, field="return_url")
    buyer = portal.buyer(customer=customer, account=account)
    assert buyer is not None  # has bought
    assert buyer.stripe_id is not None
    offers = _offers(project, account, said, currency=portal.currency_of(buyer))
    data = _flow_data(project, customer, said, flow, back, offers) if flow is not None else None
    row = _configuration(project, account, said, offers, at=at)
    made = _session(buyer, row, back, data, request, at)
    return str(made["url"])


def restore(*, configuration: PortalConfiguration, at: datetime) -> None:
    """Have Stripe's configuration say again what ours was made with: somebody has changed it there.

    Raises what ``billing.stripe.errors`` sorts Stripe's answers into.
    """
    params = stripe_portal.restore_params(configuration.content)
    target = str(configuration.stripe_id)
    request = f"restore {at.isoformat()}"
    _ask(configuration, stripe_portal.CHANGE_CONFIGURATION, target, params, request, at)


def offered(*, project: Project) -> list[Offered]:
    """Between which products, and at which prices, users may change in the portal."""
    account = stripe_accounts.account_for(project)
    return _offers(project, account, portal.settings_of(project))


def _session(
    buyer: StripeCustomer,
    row: PortalConfiguration,
    back: str,
    data: Fields | None,
    request: str,
    at: datetime,
) -> Fields:
    """Stripe's link; a portal that somebody has switched off there is switched on again first."""
    try:
        return _ask_session(buyer, row, back, data, request, at)
    except StripeRefused:
        if stripe_portal.is_active(client_for(row.account), str(row.stripe_id)):
            raise
    _ask(row, stripe_portal.CHANGE_CONFIGURATION, str(row.stripe_id), {"active": True}, request, at)
    return _ask_session(buyer, row, back, data, request, at)


def _ask_session(
    buyer: StripeCustomer,
    row: PortalConfiguration,
    back: str,
    data: Fields | None,
    request: str,
    at: datetime,
) -> Fields:
    customer = str(buyer.stripe_id)
    params = stripe_portal.session(
        customer=customer, configuration=str(row.stripe_id), return_url=back, flow=data
    )
    return _ask(buyer, stripe_portal.CREATE_SESSION, customer, params, request, at)


def _ask(
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


def _configuration(
    project: Project,
    account: StripeAccount,
    said: PortalSettings,
    offers: list[Offered],
    *,
    at: datetime,
) -> PortalConfiguration:
    """The portal at Stripe that holds what the settings come to now; made if need be."""
    params = _content(account, said, offers)
    told = json.dumps(params, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(told.encode()).hexdigest()
    rows = PortalConfiguration.objects.for_project(project)
    same = rows.filter(account=account, digest=digest).select_related("account")
    row = same.first()
    if row is None:
        new = PortalConfiguration(project=project, account=account, digest=digest, content=params)
        row = new if insert(new) else same.get()
    if not row.content:
        rows.filter(pk=row.pk).update(content=params)
    if not row.stripe_id:
        intents.create_object(
            row, operation=stripe_portal.CREATE_CONFIGURATION, params=params, at=at
        )
    return row


def _offers(
    project: Project, account: StripeAccount, said: PortalSettings, *, currency: str = ""
) -> list[Offered]:
    if not said.plan_changes:
        return []
    return portal.offered(
        project=project, account=account, products=said.products, currency=currency
    )


def _content(account: StripeAccount, said: PortalSettings, offers: list[Offered]) -> Fields:
    return stripe_portal.configuration(
        headline=said.headline,
        cancels=MODES.get(Cancellation(said.cancellation), ""),
        offers=[
            stripe_portal.PortalProduct(
                product=each.product.stripe_id or "",
                prices=[price.stripe_id or "" for price in each.prices],
            )
            for each in offers
        ],
        payment_methods=said.payment_methods,
        invoices=said.invoices,
        default_return_url=said.default_return_url,
        takes_codes=not account.is_shared,
    )


def _flow_data(
    project: Project,
    customer: Customer,
    said: PortalSettings,
    flow: Flow,
    back: str,
    offers: list[Offered],
) -> Fields:
    """Stripe's words for the flow. Raises Invalid for what the settings do not offer."""
    offered = {
        "payment_method_update": said.payment_methods,
        "subscription_cancel": said.cancellation != Cancellation.NEVER,
        "subscription_update": said.plan_changes,
        "subscription_update_confirm": said.plan_changes,
    }
    if not offered[flow.type]:
        raise Invalid("The portal's configuration does not offer this.", field="flow/type")
    if flow.type == "payment_method_update":
        return stripe_portal.flow(flow.type, return_url=back)
    row = subscriptions.of_product(project=project, user_id=customer.user_id, product=flow.product)
    if row.has_ended or not row.stripe_id:
        raise SubscriptionEnded("Open a new checkout to subscribe again.")
    target: dict[str, Any] = {"subscription": row.stripe_id}
    if flow.type == "subscription_update_confirm":
        target["items"] = [_item(project, row, flow, offers)]
    return stripe_portal.flow(flow.type, return_url=back, **target)


def _item(project: Project, row: Subscription, flow: Flow, offers: list[Offered]) -> Fields:
    """What the subscription's item for the product is to become. Raises Invalid for a price that
    the portal does not offer."""
    item = next(
        each
        for each in row.items.all()
        if each.price is not None and each.price.product_id == flow.product
    )
    price = catalog.price(project=project, price_id=flow.price) if flow.price else item.price
    assert price is not None
    if price != item.price and not any(price in each.prices for each in offers):
        raise Invalid(
            "The portal does not offer this price: GET /portal/configuration says which.",
            field="flow/price",
        )
    quantity = {} if price.is_metered else {"quantity": flow.quantity or item.quantity}
    return {"id": item.stripe_id, "price": price.stripe_id, **quantity}
