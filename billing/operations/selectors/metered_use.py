"""What Stripe knows of meters and customers whose use it is told."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from billing.models import StripeAccount, StripeCustomer, StripeMeter, SubscriptionItem
from usage.models import Record
from usage.models.meter import ADDITIVE


class Known(NamedTuple):
    """A meter as Stripe knows it; without an account it knows none."""

    meter_id: str
    account: StripeAccount | None = None
    event_name: str = ""
    adds_up: bool = False
    """Whether several records may be told as their sum."""


def known(meter_ids: Sequence[str]) -> list[Known]:
    """These meters, as the account knows them in which they were made last."""
    rows = StripeMeter.objects.across_projects().filter(meter_id__in=meter_ids)
    found = {
        each.meter_id: Known(
            each.meter_id, each.account, each.event_name, each.meter.aggregation in ADDITIVE
        )
        for each in rows.select_related("account", "meter").order_by("id")
    }
    return [found.get(meter_id, Known(meter_id)) for meter_id in meter_ids]


def buyers(records: Sequence[Record]) -> dict[tuple[str, str], StripeCustomer]:
    """By account and customer, whom Stripe knows."""
    if not records:
        return {}
    rows = StripeCustomer.objects.across_projects().filter(
        customer_id__in={each.customer_id for each in records},
        deleted_at__isnull=True,
        stripe_id__isnull=False,
    )
    return {(each.account_id, each.customer_id): each for each in rows}


def period_bounds(records: Sequence[Record]) -> dict[tuple[str, str], list[datetime]]:
    """By customer and meter, when billing periods of its prices begin and end, ascending."""
    if not records:
        return {}
    rows = SubscriptionItem.objects.across_projects().filter(
        subscription__customer_id__in={each.customer_id for each in records},
        price__meter_id__in={each.meter_id for each in records},
    )
    found: dict[tuple[str, str], set[datetime]] = {}
    named = ("subscription__customer_id", "price__meter_id", "period_start", "period_end")
    for customer_id, meter_id, *bounds in rows.values_list(*named):
        found.setdefault((customer_id, meter_id), set()).update(bounds)
    return {key: sorted(bounds) for key, bounds in found.items()}
