"""Meters at Stripe, meter events, and the usage that Stripe has counted from them."""

from datetime import datetime, timedelta
from decimal import Decimal

from stripe import StripeClient

from billing.stripe import pagination, reads
from billing.stripe.errors import translate
from billing.stripe.fields import Fields, page
from usage.models import Meter
from usage.models.meter import Aggregation

URL, SUMMARIES_URL = "/v1/billing/meters", "/v1/billing/meters/{}/event_summaries"
FORMULAS = {Aggregation.COUNT: "sum", Aggregation.SUM: "sum", Aggregation.LAST: "last"}
"""Stripe's formula for each of our aggregations. Counts become sums, because one record may stand
for several uses that were consumed at once."""
LONGEST_PAST = timedelta(days=35)
"""Stripe ignores meter events that are older."""
CUSTOMER, VALUE = "stripe_customer_id", "value"


def new(meter: Meter) -> Fields:
    """Parameters that create a meter; its events are named by our meter's id."""
    return {
        "display_name": meter.name,
        "event_name": meter.pk,
        "default_aggregation": {"formula": FORMULAS[Aggregation(meter.aggregation)]},
        "customer_mapping": {"type": "by_id", "event_payload_key": CUSTOMER},
        "value_settings": {"event_payload_key": VALUE},
    }


def find(client: StripeClient, event_name: str) -> str | None:
    """The id of the active meter for events of this name; None without one."""
    with translate():
        meters = pagination.all_of(client, URL, {"status": "active"})
        return next((each["id"] for each in meters if each["event_name"] == event_name), None)


def retrieve(client: StripeClient, stripe_id: str) -> Fields:
    """Read the meter from Stripe, as plain fields. Raises StripeObjectMissing."""
    with translate():
        return reads.get_named(client, URL, "billing.meter", stripe_id)


def list_page(client: StripeClient, *, after: str) -> list[Fields]:
    """Up to PAGE of the account's meters behind the meter ``after``, newest first, archived ones
    too."""
    with translate():
        return list(reads.get(client, URL, page(after))["data"])


def differences(fields: Fields, meter: Meter) -> dict[str, tuple[object, object]]:
    """Values by name that differ from those of a meter that counts our events, as (ours, Stripe's).

    Raises StripeMalformed for fields that do not belong to a meter.
    """
    expected = new(meter)
    with translate():
        pairs = {
            "status": ("active", fields["status"]),
            "event_name": (meter.pk, fields["event_name"]),
            "formula": (
                expected["default_aggregation"]["formula"],
                fields["default_aggregation"]["formula"],
            ),
            "customer": (CUSTOMER, fields["customer_mapping"]["event_payload_key"]),
            "value": (VALUE, fields["value_settings"]["event_payload_key"]),
        }
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def event(
    *, event_name: str, identifier: str, customer_stripe_id: str, value: int, at: datetime
) -> Fields:
    """Parameters of the meter event that reports one use."""
    return {
        "event_name": event_name,
        "identifier": identifier,
        "payload": {CUSTOMER: customer_stripe_id, VALUE: str(value)},
        "timestamp": int(at.timestamp()),
    }


def cancellation(*, event_name: str, identifier: str) -> Fields:
    """Parameters that cancel the meter event of one use."""
    return {"event_name": event_name, "type": "cancel", "cancel": {"identifier": identifier}}


def summary(
    client: StripeClient,
    meter_stripe_id: str,
    *,
    customer_stripe_id: str,
    since: datetime,
    until: datetime,
) -> Decimal:
    """Usage of a customer that Stripe has counted in ``[since, until)``; both must be full
    minutes."""
    params = {
        "customer": customer_stripe_id,
        "start_time": int(since.timestamp()),
        "end_time": int(until.timestamp()),
    }
    with translate():
        summaries = pagination.all_of(client, reads.path(SUMMARIES_URL, meter_stripe_id), params)
        return sum((Decimal(str(each["aggregated_value"])) for each in summaries), Decimal(0))
