"""Meters and customers at Stripe, and billing periods, of usage records to report."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from billing.models import StripeAccount, StripeCustomer, StripeMeter, SubscriptionItem
from usage.models import Record
from usage.models.meter import ADDITIVE


class MeterAtStripe(NamedTuple):
    """A meter with its Stripe account; ``account`` is None if Stripe does not have the meter."""

    meter_id: str
    account: StripeAccount | None = None
    event_name: str = ""
    is_additive: bool = False
    """Whether several records can be reported as their sum."""


def find_meters(meter_ids: Sequence[str]) -> list[MeterAtStripe]:
    """These meters, each with the account in which it was created last."""
    rows = StripeMeter.objects.across_projects().filter(meter_id__in=meter_ids)
    by_meter_id = {
        row.meter_id: MeterAtStripe(
            row.meter_id, row.account, row.event_name, row.meter.aggregation in ADDITIVE
        )
        for row in rows.select_related("account", "meter").order_by("id")
    }
    return [by_meter_id.get(meter_id, MeterAtStripe(meter_id)) for meter_id in meter_ids]


def buyers(records: Sequence[Record]) -> dict[tuple[str, str], StripeCustomer]:
    """Stripe customers of these records, by account id and customer id."""
    if not records:
        return {}
    rows = StripeCustomer.objects.across_projects().filter(
        customer_id__in={row.customer_id for row in records},
        deleted_at__isnull=True,
        stripe_id__isnull=False,
    )
    return {(row.account_id, row.customer_id): row for row in rows}


def period_bounds(records: Sequence[Record]) -> dict[tuple[str, str], list[datetime]]:
    """Starts and ends of billing periods, ascending, by customer id and meter id."""
    if not records:
        return {}
    rows = SubscriptionItem.objects.across_projects().filter(
        subscription__customer_id__in={record.customer_id for record in records},
        price__meter_id__in={record.meter_id for record in records},
    )
    bounds_by_key: dict[tuple[str, str], set[datetime]] = {}
    columns = ("subscription__customer_id", "price__meter_id", "period_start", "period_end")
    for customer_id, meter_id, *bounds in rows.values_list(*columns):
        bounds_by_key.setdefault((customer_id, meter_id), set()).update(bounds)
    return {key: sorted(bounds) for key, bounds in bounds_by_key.items()}
