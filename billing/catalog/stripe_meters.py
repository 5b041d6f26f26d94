"""A project's meter as a meter of the Stripe account that it sells through."""

from datetime import datetime

from django.db import transaction

from billing.errors import MeterNotBillable
from billing.models import StripeAccount, StripeMeter
from billing.outbound import intents
from billing.stripe import meters as stripe_meters
from billing.stripe.client import client_for
from billing.stripe.errors import StripeRefused
from common.inserts import insert
from projects.models import Project
from usage.errors import MeterUnknown
from usage.meters import selectors as meters
from usage.models import Meter
from usage.reporting import forwarding

REQUEST = "made"
"""A meter is made once for an account: every try is the same request."""


def named(*, project: Project, code: str) -> Meter:
    """The project's meter with this code. Raises MeterUnknown."""
    found = meters.find_many(project=project, codes=[code]).get(code)
    if found is None:
        raise MeterUnknown("Define it with POST /meters, or see GET /meters.", field="meter")
    return found


def check(*, meter: Meter) -> None:
    """Raises MeterNotBillable for what Stripe cannot bill."""
    if meter.aggregation not in stripe_meters.FORMULAS:
        raise MeterNotBillable(
            "Stripe bills meters that count, add up or take the last value. Bill with one of those."
        )
    if meter.archived_at is not None:
        raise MeterNotBillable("The meter is archived. Restore it first.")


def ensure(*, meter: Meter, account: StripeAccount, at: datetime) -> StripeMeter:
    """The meter in this account, made there if need be; its records are told from now on.

    Stripe keeps event names unique, so whatever was lost on the way there is one. Raises
    StripeUnavailable; calling again then finishes what was begun.
    """
    rows = StripeMeter.objects.for_project(meter.project_id).filter(account=account, meter=meter)
    known = rows.first()
    stripe_id = known.stripe_id if known else _made(meter, account, at)
    with transaction.atomic():
        if known is None:
            insert(
                StripeMeter(
                    project_id=meter.project_id,
                    account=account,
                    meter=meter,
                    stripe_id=stripe_id,
                    event_name=meter.pk,
                )
            )
        forwarding.start_forwarding(meter)
    return known or rows.get()


def _made(meter: Meter, account: StripeAccount, at: datetime) -> str:
    client = client_for(account)
    found = stripe_meters.find(client, meter.pk)
    if found:
        return found
    try:
        fields = intents.change(
            project_id=meter.project_id,
            account=account,
            operation="meter.create",
            subject=meter.pk,
            target=meter.pk,
            params=stripe_meters.new(meter),
            request=REQUEST,
            at=at,
        )
    except StripeRefused:
        found = stripe_meters.find(client, meter.pk)
        if found is None:
            raise
        return found
    return str(fields["id"])
