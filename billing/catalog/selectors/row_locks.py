"""Locks of the catalog's rows, before a change whose event is recorded."""

from billing.catalog.selectors import coupons
from billing.models import Coupon, PromotionCode
from billing.models.mirror import Mirror


def lock(row: Mirror, *, shown_id: str) -> None:
    """Lock the row that the tenant sees, then this row, and refresh it."""
    rows = type(row).objects.for_project(row.project_id).select_for_update(of=("self",))
    if shown_id != row.pk:
        rows.get(pk=shown_id)
    if not row._state.adding:
        row.refresh_from_db(from_queryset=rows)


def lock_active_codes(coupon: Coupon) -> list[PromotionCode]:
    """The active codes of the coupon, locked in the order of their ids."""
    rows = coupons.codes(project=coupon.project_id, coupon=coupon.pk, active=True)
    return list(rows.select_for_update(of=("self",)).order_by("pk"))
