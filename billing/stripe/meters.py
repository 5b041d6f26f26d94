"""Meters at Stripe, the events that tell them of use, and what Stripe has made of those."""

from datetime import datetime, timedelta
from decimal import Decimal

from stripe import StripeClient

from billing.stripe.errors import translate
from billing.stripe.fields import PAGE, Fields, named, page, plain
from usage.models import Meter
from usage.models.meter import Aggregation

FORMULAS = {Aggregation.COUNT: "sum", Aggregation.SUM: "sum", Aggregation.LAST: "last"}
"""Ours to Stripe's, which knows no others. One record may stand for several uses that were consumed
at once, so what we count Stripe adds up."""
LONGEST_PAST = timedelta(days=35)
"""Stripe counts nothing that happened longer ago."""
CUSTOMER, VALUE = "stripe_customer_id", "value"


def new(meter: Meter) -> Fields:
    """How a meter is asked for; its events have our meter's id as their name."""
    return {
        "display_name": meter.name,
        "event_name": meter.pk,
        "default_aggregation": {"formula": FORMULAS[Aggregation(meter.aggregation)]},
        "customer_mapping": {"type": "by_id", "event_payload_key": CUSTOMER},
        "value_settings": {"event_payload_key": VALUE},
    }


def find(client: StripeClient, event_name: str) -> str | None:
    """The id of the active meter for events of this name."""
    with translate():
        listed = client.v1.billing.meters.list({"status": "active", "limit": PAGE})
        found = (plain(each) for each in listed.auto_paging_iter())
        return next((each["id"] for each in found if each["event_name"] == event_name), None)


def retrieve(client: StripeClient, stripe_id: str) -> Fields:
    """What Stripe says now, as plain fields. Raises StripeObjectMissing."""
    with translate():
        return named(client.v1.billing.meters.retrieve(stripe_id), "billing.meter", stripe_id)


def list_page(client: StripeClient, *, after: str) -> list[Fields]:
    """The account's meters behind the meter ``after``, newest first, up to PAGE, archived too."""
    with translate():
        return [plain(each) for each in client.v1.billing.meters.list(page(after)).data]


def differences(fields: Fields, meter: Meter) -> dict[str, tuple[object, object]]:
    """What Stripe says otherwise than a meter that counts our events: ours and theirs, by name.
    Raises StripeMalformed for fields that are no meter's."""
    wanted = new(meter)
    with translate():
        pairs = {
            "status": ("active", fields["status"]),
            "event_name": (meter.pk, fields["event_name"]),
            "formula": (
                wanted["default_aggregation"]["formula"],
                fields["default_aggregation"]["formula"],
            ),
            "customer": (CUSTOMER, fields["customer_mapping"]["event_payload_key"]),
            "value": (VALUE, fields["value_settings"]["event_payload_key"]),
        }
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def event(
    *, event_name: str, identifier: str, customer_stripe_id: str, value: int, at: datetime
) -> Fields:
    """How one use is told."""
    return {
        "event_name": event_name,
        "identifier": identifier,
        "payload": {CUSTOMER: customer_stripe_id, VALUE: str(value)},
        "timestamp": int(at.timestamp()),
    }


def cancellation(*, event_name: str, identifier: str) -> Fields:
    """How one use is taken back."""
    return {"event_name": event_name, "type": "cancel", "cancel": {"identifier": identifier}}


def summary(
    client: StripeClient,
    meter_stripe_id: str,
    *,
    customer_stripe_id: str,
    since: datetime,
    until: datetime,
) -> Decimal:
    """What Stripe has counted of a customer in ``[since, until)``, both on full minutes."""
    asked = {
        "customer": customer_stripe_id,
        "start_time": int(since.timestamp()),
        "end_time": int(until.timestamp()),
        "limit": PAGE,
    }
    with translate():
        listed = client.v1.billing.meters.event_summaries.list(meter_stripe_id, asked)  # type: ignore[arg-type]  # a plain dict
        return sum(
            (Decimal(str(each.aggregated_value)) for each in listed.auto_paging_iter()), Decimal(0)
        )
