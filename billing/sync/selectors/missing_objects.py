"""Mirrored objects that Stripe answers 404 for."""

from collections.abc import Iterable
from datetime import datetime

from django.db.models import QuerySet

from billing.models import MissingObject, StripeAccount
from billing.models.mirror import Mirror
from billing.models.missing_object import MissingReason, MissingState
from common.models import ProjectQuerySet


def lock(account_id: str) -> None:
    """Lock the decisions about objects of this account until the transaction ends.

    Other transactions can still write rows that refer to the account.
    """
    StripeAccount.objects.select_for_update(no_key=True).filter(pk=account_id).first()


def find(*, account: StripeAccount, kind: str, stripe_id: str) -> MissingObject | None:
    rows = of_account(account).filter(kind=kind, stripe_id=stripe_id)
    return rows.order_by("-pk").first()


def of_account(account: StripeAccount) -> ProjectQuerySet[MissingObject]:
    rows: ProjectQuerySet[MissingObject] = MissingObject.objects.across_projects()
    return rows.filter(account=account)


def waiting() -> int:
    """How many objects wait for a person's decision, in all accounts."""
    return MissingObject.objects.across_projects().filter(state=MissingState.WAITING).count()


def is_stopped(account: StripeAccount) -> bool:
    """Whether too many objects were missing at once and still wait for decisions."""
    rows = of_account(account).filter(state=MissingState.WAITING)
    return rows.filter(reason=MissingReason.TOO_MANY).exists()


def taken_as_gone(account: StripeAccount, *, since: datetime) -> int:
    """How many objects counted as deleted, by rule, since then."""
    rows = of_account(account).filter(state=MissingState.GONE, found_at__gt=since)
    return rows.filter(reason=MissingReason.DELETED).count()


def mirrored(account: StripeAccount, models: Iterable[type[Mirror]], *, at_most: int) -> int:
    """Count the mirrored objects of the account, up to ``at_most``."""
    count = 0
    for model in models:
        rows: QuerySet[Mirror] = model.objects.across_projects().filter(
            account=account, stripe_id__isnull=False
        )
        count += rows[: at_most - count].count()
        if count >= at_most:
            break
    return count
