"""How Stripe is asked to change a coupon or a promotion code, and what the audit trail says."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, TypeVar

from billing.models import Coupon, PromotionCode
from billing.models.sync_object import Kind
from billing.outbound import intents
from billing.stripe.errors import StripeObjectMissing, StripeRefused
from billing.stripe.fields import Fields
from billing.sync import service as sync
from common.errors import Invalid
from common.ids import new_id
from events.services import audit

RowT = TypeVar("RowT", Coupon, PromotionCode)


def ask(row: Coupon | PromotionCode, *, operation: str, params: Fields, at: datetime) -> None:
    """Ask Stripe, and store what it then says, also when it says that the object is gone."""
    target = row.stripe_id or ""
    kind = Kind.COUPON if isinstance(row, Coupon) else Kind.PROMOTION_CODE
    try:
        intents.change(
            project_id=row.project_id,
            account=row.account,
            operation=operation,
            subject=row.pk,
            target=target,
            params=params,
            request=new_id("req"),
            at=at,
        )
    except StripeObjectMissing as missing:
        sync.now(account=row.account, kind=kind, stripe_id=target, at=at)
        raise StripeRefused("It was deleted at Stripe. Make another one.") from missing
    sync.now(account=row.account, kind=kind, stripe_id=target, at=at)


def record(
    row: Coupon | PromotionCode, *, action: str, asked: dict[str, Any], actor: str, at: datetime
) -> None:
    """Write down who asked for what, before Stripe hears of it."""
    audit.record(
        actor=actor,
        action=action,
        subject=row.pk,
        project_id=row.project_id,
        before={name: getattr(row, name) for name in asked},
        after=asked,
        at=at,
    )


def refuse_past(moment: datetime | None, *, field: str, at: datetime) -> None:
    """Raises Invalid for a time that is not to come."""
    if moment is not None and moment <= at:
        raise Invalid("Send a time to come.", field=field)


def seconds(moment: datetime | None) -> int | None:
    """As Stripe writes a time."""
    return None if moment is None else int(moment.timestamp())


def exchange(row: RowT, other: RowT, *, names: Iterable[str]) -> None:
    """Give each of two locked rows the other's values, the unique ``stripe_id`` among them."""
    ours = {name: getattr(row, name) for name in names}
    theirs = {name: getattr(other, name) for name in names}
    type(row).objects.for_project(other.project_id).filter(pk=other.pk).update(stripe_id=None)
    _write(row, theirs)
    _write(other, ours)


def _write(row: Coupon | PromotionCode, values: dict[str, Any]) -> None:
    for name, value in values.items():
        setattr(row, name, value)
    row.save(update_fields=[*values, "updated_at"])
