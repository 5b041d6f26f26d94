"""Remove an erased customer from the stored events. The rest of an event still names its object.

Events are found by the customer that they name and by the customer's objects. An event that arrives
after the erasure, such as Stripe's own ``customer.deleted`` with name and address, is found by a
periodic task.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from billing.customers.erasure import CustomerTraces
from billing.models import StripeCustomer
from webhooks.envelope import remove_personal_data
from webhooks.models import InboundEvent

LATE = timedelta(hours=25)
"""Age of events up to which the task looks for late ones."""
BATCH = 200


def forget(traces: CustomerTraces, at: datetime) -> None:
    """Remove the person's data from every event about them."""
    ids = sorted(traces.stripe_ids)
    is_about = Q(stripe_object_id__in=ids) | Q(customer_stripe_id__in=ids)
    _erase_rows(InboundEvent.objects.filter(is_about, erased_at__isnull=True), at)


def forget_late(*, at: datetime) -> int:
    """Remove erased customers from events that arrived later. Returns how many events."""
    gone = StripeCustomer.objects.across_projects().filter(
        account=OuterRef("endpoint__account"),
        stripe_id=OuterRef("customer_stripe_id"),
        customer__deleted_at__isnull=False,
    )
    rows = InboundEvent.objects.filter(
        Exists(gone), erased_at__isnull=True, received_at__gte=at - LATE
    )
    return _erase_rows(rows.exclude(customer_stripe_id=""), at)


def _erase_rows(rows: QuerySet[InboundEvent], at: datetime) -> int:
    count = 0
    for batch in _batches(rows):
        for event in batch:
            event.body, event.erased_at = remove_personal_data(bytes(event.body)), at
        with transaction.atomic():
            InboundEvent.objects.bulk_update(batch, ["body", "erased_at"])
        count += len(batch)
    return count


def _batches(rows: QuerySet[InboundEvent]) -> Iterable[list[InboundEvent]]:
    while batch := list(rows.order_by("pk").only("pk", "body", "erased_at")[:BATCH]):
        yield batch
