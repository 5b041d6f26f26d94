"""List a user's saved payment methods, set the default, detach. Stripe stores the methods."""

from datetime import datetime

import structlog

from billing.accounts.selectors import stripe_customers
from billing.errors import NoPaymentMethod
from billing.models import StripeAccount, StripeCustomer
from billing.models.sync_object import ObjectKind
from billing.outbound import intents
from billing.stripe import payment_methods
from billing.stripe.client import client_for
from billing.stripe.errors import StripeObjectMissing
from billing.stripe.payment_methods import SavedMethod
from billing.subscriptions import default_methods
from billing.sync import service as sync
from common.errors import DomainError, NotFound
from common.ids import new_id
from events.audit import audit_trail as audit
from projects.models import Customer

log = structlog.get_logger(__name__)

DEFAULT = "default"
"""Means the user's default method, or the newest one if no default is set."""


def list_methods(*, customer: Customer, account: StripeAccount) -> tuple[list[SavedMethod], str]:
    """Return the user's payment methods, newest first, and the default one's id (may be empty).

    Raises StripeUnavailable.
    """
    buyer = stripe_customers.find_live(customer=customer, account=account)
    if buyer is None:
        return [], ""
    client, stripe_id = client_for(account), str(buyer.stripe_id)
    try:
        saved = payment_methods.list_saved(client, stripe_id)
        return saved, payment_methods.find_default(client, stripe_id)
    except StripeObjectMissing:
        return [], ""


def choose_method(*, buyer: StripeCustomer | None, requested_method: str) -> str:
    """Return the Stripe id of the requested method: an id or ``default``.

    Raises NoPaymentMethod, StripeUnavailable.
    """
    if buyer is None:
        raise _no_saved_method()
    client, stripe_id = client_for(buyer.account), str(buyer.stripe_id)
    try:
        if requested_method != DEFAULT:
            return payment_methods.retrieve(client, stripe_id, requested_method).stripe_id
        if default_id := payment_methods.find_default(client, stripe_id):
            return default_id
        methods = payment_methods.list_saved(client, stripe_id)
    except StripeObjectMissing as missing:
        raise NoPaymentMethod(
            "Send an id that GET /customers/{user_id}/payment-methods lists."
        ) from missing
    if not methods:
        raise _no_saved_method()
    return methods[0].stripe_id


def make_default(
    *, customer: Customer, account: StripeAccount, stripe_id: str, actor: str, at: datetime
) -> None:
    """Make this method the customer's default at Stripe, and that of every live subscription.

    The subscriptions are updated at once, or by a task as soon as Stripe answers. Raises NotFound,
    StripeUnavailable.
    """
    buyer = _get_buyer_of_method(customer, account, stripe_id)
    _record_audit(customer, "payment_method.make_default", stripe_id, actor, at)
    intents.change_object(
        project_id=customer.project_id,
        account=account,
        operation="customer.update",
        subject=buyer.pk,
        target=str(buyer.stripe_id),
        params={"invoice_settings": {"default_payment_method": stripe_id}},
        request=new_id("req"),
        at=at,
    )
    _update_subscriptions(buyer, at)


def _update_subscriptions(buyer: StripeCustomer, at: datetime) -> None:
    """Update the live subscriptions now; leave them to the task if Stripe does not answer."""
    rows = StripeCustomer.objects.for_project(buyer.project_id).filter(pk=buyer.pk)
    rows.update(subscriptions_follow_at=at)
    try:
        sync.now(
            account=buyer.account, kind=ObjectKind.CUSTOMER, stripe_id=str(buyer.stripe_id), at=at
        )
        default_methods.update_subscriptions(buyer=rows.select_related("account").get(), at=at)
    except DomainError as error:
        log.warning("default_method_waits", customer=buyer.pk, error=error.code)


def detach(
    *, customer: Customer, account: StripeAccount, stripe_id: str, actor: str, at: datetime
) -> None:
    """Detach the method from the customer at Stripe. Raises NotFound, StripeUnavailable."""
    buyer = _get_buyer_of_method(customer, account, stripe_id)
    _record_audit(customer, "payment_method.detach", stripe_id, actor, at)
    intents.change_object(
        project_id=customer.project_id,
        account=account,
        operation="payment_method.detach",
        subject=buyer.pk,
        target=stripe_id,
        params={},
        request=new_id("req"),
        at=at,
    )


def _get_buyer_of_method(
    customer: Customer, account: StripeAccount, stripe_id: str
) -> StripeCustomer:
    """Return the Stripe customer if the method is theirs. Raises NotFound, StripeUnavailable."""
    buyer = stripe_customers.find_live(customer=customer, account=account)
    if buyer is not None:
        try:
            payment_methods.retrieve(client_for(account), str(buyer.stripe_id), stripe_id)
        except StripeObjectMissing:
            buyer = None
    if buyer is None:
        raise NotFound("The user has saved no payment method with this id.")
    return buyer


def _no_saved_method() -> NoPaymentMethod:
    return NoPaymentMethod(
        "Let the user pay once with save_payment_method, or on a checkout page of a subscription."
    )


def _record_audit(
    customer: Customer, action: str, stripe_id: str, actor: str, at: datetime
) -> None:
    audit.record(
        actor=actor,
        action=action,
        subject=customer.pk,
        project_id=customer.project_id,
        at=at,
        after={"payment_method": stripe_id},
    )
