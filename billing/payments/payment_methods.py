"""What a user has saved to pay with: listed, made the default, taken away. Stripe keeps it."""

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
from events.services import audit
from projects.models import Customer

log = structlog.get_logger(__name__)

DEFAULT = "default"
"""Stands for the user's default method, else the one saved last."""


def listing(*, customer: Customer, account: StripeAccount) -> tuple[list[SavedMethod], str]:
    """The user's methods, those saved last first, and the id of the default one.

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


def choose(*, buyer: StripeCustomer | None, wanted: str) -> str:
    """Stripe's id of the method that is meant. Raises NoPaymentMethod, StripeUnavailable."""
    if buyer is None:
        raise _nothing_saved()
    client, stripe_id = client_for(buyer.account), str(buyer.stripe_id)
    try:
        if wanted != DEFAULT:
            return payment_methods.retrieve(client, stripe_id, wanted).stripe_id
        if found := payment_methods.find_default(client, stripe_id):
            return found
        saved = payment_methods.list_saved(client, stripe_id)
    except StripeObjectMissing as missing:
        raise NoPaymentMethod(
            "Take one of those that /customers/{user_id}/payment-methods lists."
        ) from missing
    if not saved:
        raise _nothing_saved()
    return saved[0].stripe_id


def make_default(
    *, customer: Customer, account: StripeAccount, stripe_id: str, actor: str, at: datetime
) -> None:
    """From now on the user pays with this method unless told otherwise, the renewals of every live
    subscription as well: these at once, or as soon as Stripe answers.

    Raises NotFound, StripeUnavailable.
    """
    buyer = _owner(customer, account, stripe_id)
    _record(customer, "payment_method.make_default", stripe_id, actor, at)
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
    _bring_subscriptions(buyer, at)


def _bring_subscriptions(buyer: StripeCustomer, at: datetime) -> None:
    """Also those that had another method while this one was the default already."""
    rows = StripeCustomer.objects.for_project(buyer.project_id).filter(pk=buyer.pk)
    rows.update(subscriptions_follow_at=at)
    try:
        sync.now(
            account=buyer.account, kind=ObjectKind.CUSTOMER, stripe_id=str(buyer.stripe_id), at=at
        )
        default_methods.follow(buyer=rows.select_related("account").get(), at=at)
    except DomainError as error:
        log.warning("default_method_waits", customer=buyer.pk, error=error.code)


def detach(
    *, customer: Customer, account: StripeAccount, stripe_id: str, actor: str, at: datetime
) -> None:
    """Nobody can pay with this method any more. Raises NotFound, StripeUnavailable."""
    buyer = _owner(customer, account, stripe_id)
    _record(customer, "payment_method.detach", stripe_id, actor, at)
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


def _owner(customer: Customer, account: StripeAccount, stripe_id: str) -> StripeCustomer:
    """The buyer, if this method is theirs."""
    buyer = stripe_customers.find_live(customer=customer, account=account)
    if buyer is not None:
        try:
            payment_methods.retrieve(client_for(account), str(buyer.stripe_id), stripe_id)
        except StripeObjectMissing:
            buyer = None
    if buyer is None:
        raise NotFound("The user has saved no payment method with this id.")
    return buyer


def _nothing_saved() -> NoPaymentMethod:
    return NoPaymentMethod(
        "Let the user pay once with save_payment_method, or on a checkout page of a subscription."
    )


def _record(customer: Customer, action: str, stripe_id: str, actor: str, at: datetime) -> None:
    audit.record(
        actor=actor,
        action=action,
        subject=customer.pk,
        project_id=customer.project_id,
        at=at,
        after={"payment_method": stripe_id},
    )
