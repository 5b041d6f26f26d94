"""Changes of coupons and promotion codes at Stripe, with their audit entries."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, TypeVar

from billing.models import Coupon, PromotionCode
from billing.models.sync_object import ObjectKind
from billing.outbound import intents
from billing.stripe.errors import StripeObjectMissing, StripeRefused
from billing.stripe.fields import Fields
from billing.sync import service as sync
from common.errors import Invalid
from common.ids import new_id
from events.audit import audit_trail as audit

RowT = TypeVar("RowT", Coupon, PromotionCode)


def request_change(
    row: Coupon | PromotionCode, *, operation: str, params: Fields, at: datetime
) -> None:
    """Change the object at Stripe and store its new state. Raises StripeRefused if Stripe no longer
    has it; that is stored too."""
    target = row.stripe_id or ""
    kind = ObjectKind.COUPON if isinstance(row, Coupon) else ObjectKind.PROMOTION_CODE
    try:
        intents.change_object(
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
        raise StripeRefused("It was deleted at Stripe. Create another one.") from missing
    sync.now(account=row.account, kind=kind, stripe_id=target, at=at)


def record_audit(
    row: Coupon | PromotionCode, *, action: str, changes: dict[str, Any], actor: str, at: datetime
) -> None:
    """Write the audit entry of a change, before Stripe is asked."""
    audit.record(
        actor=actor,
        action=action,
        subject=row.pk,
        project_id=row.project_id,
        before={name: getattr(row, name) for name in changes},
        after=changes,
        at=at,
    )


def refuse_past(moment: datetime | None, *, field: str, at: datetime) -> None:
    """Raises Invalid for a time that is not in the future."""
    if moment is not None and moment <= at:
        raise Invalid("Send a time in the future.", field=field)


def to_unix_seconds(moment: datetime | None) -> int | None:
    """Unix seconds, as Stripe expects a time."""
    return None if moment is None else int(moment.timestamp())


def to_whole_second(moment: datetime | None) -> datetime | None:
    """The time as Stripe keeps it, so that reading it back is no change."""
    return None if moment is None else moment.replace(microsecond=0)


def swap_values(row: RowT, other: RowT, *, names: Iterable[str]) -> None:
    """Swap values of two locked rows, including the unique ``stripe_id``."""
    row_values = {name: getattr(row, name) for name in names}
    other_values = {name: getattr(other, name) for name in names}
    type(row).objects.for_project(other.project_id).filter(pk=other.pk).update(stripe_id=None)
    _write(row, other_values)
    _write(other, row_values)


def _write(row: Coupon | PromotionCode, values: dict[str, Any]) -> None:
    for name, value in values.items():
        setattr(row, name, value)
    row.save(update_fields=[*values, "updated_at"])
