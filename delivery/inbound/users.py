"""Apply messages about users: a user becomes a customer, is changed, or is erased.

The sender's ``version`` decides the order, so that messages may be repeated, late, and come by
several ways. A deletion is final for its version: an older message changes nothing, and of later
ones only ``user.created`` brings the user back, as a new customer.
"""

from datetime import datetime, timedelta
from enum import StrEnum

from django.db import transaction

from billing.customers import stripe_copies
from common.queue import enqueue
from delivery.inbound import selectors
from delivery.inbound.errors import UserDeleted
from delivery.inbound.user_messages import UserEvent, UserMessage
from delivery.models import InboundUser
from projects.customers import service as customers
from projects.customers.service import CustomerExists
from projects.models import Customer, Project

ACTOR = "auth service"
KEPT = timedelta(days=400)
"""How long a deleted user's version is remembered."""


class MessageResult(StrEnum):
    APPLIED = "applied"
    DUPLICATE = "duplicate"
    OUTDATED = "outdated"
    IGNORED = "ignored"


def apply(*, project: Project, message: UserMessage, at: datetime) -> MessageResult:
    """Make the change that the message describes, once. Calls nobody over the network: the customer
    at Stripe follows in the background.

    Raises UserDeleted for a change of a user whose deletion is older, and CustomerHasSubscriptions
    for a deletion if the project wants subscriptions to be ended by hand.
    """
    with transaction.atomic():
        row = selectors.lock_user(project_id=project.pk, user_id=message.user_id, at=at)
        if message.version <= row.version:
            return MessageResult.OUTDATED
        if message.event == UserEvent.DELETED:
            _delete(project, message, at)
            row.customer, row.deleted_at = None, at
        else:
            if message.event == UserEvent.UPDATED and _is_erased_here(row, message):
                return MessageResult.IGNORED
            row.customer, row.deleted_at = _save_customer(project, message, at), None
        row.version, row.changed_at = message.version, at
        row.save(update_fields=["version", "customer", "changed_at", "deleted_at"])
    return MessageResult.APPLIED


def purge(*, at: datetime) -> int:
    """Forget users that were deleted long ago. Returns how many."""
    rows = InboundUser.objects.across_projects().filter(deleted_at__lt=at - KEPT)
    return rows.delete()[0]


def _is_erased_here(row: InboundUser, message: UserMessage) -> bool:
    """Whether the customer was erased by the project itself, and nobody has come back since.

    Raises UserDeleted if a message has deleted the user.
    """
    if row.deleted_at is not None:
        raise UserDeleted("Only a later user.created brings the user back.")
    if row.customer is None or row.customer.deleted_at is None:
        return False
    return selectors.customer_of(project_id=row.project_id, user_id=message.user_id) is None


def _delete(project: Project, message: UserMessage, at: datetime) -> None:
    customer = selectors.customer_of(project_id=project.pk, user_id=message.user_id)
    if customer is not None:
        cancels = selectors.settings_of(project.pk).cancels_subscriptions
        stripe_copies.erase_here(customer=customer, cancels=cancels, actor=ACTOR, at=at)
        enqueue("billing.tell_customers")


def _save_customer(project: Project, message: UserMessage, at: datetime) -> Customer:
    customer = selectors.customer_of(project_id=project.pk, user_id=message.user_id)
    if customer is None:
        try:
            return customers.create(
                project=project, user_id=message.user_id, at=at, **message.details
            )
        except CustomerExists:  # since we have looked
            customer = selectors.customer_of(project_id=project.pk, user_id=message.user_id)
    assert customer is not None
    return customers.update(customer=customer, changes=message.details, at=at)
