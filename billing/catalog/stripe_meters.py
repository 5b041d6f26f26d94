"""Meters of a project in the Stripe account that the project sells through."""

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

CREATE_REQUEST = "made"
"""Name of the request that creates a meter: all attempts are one request to Stripe."""


def find_meter(*, project: Project, code: str) -> Meter:
    """The project's meter with this code. Raises MeterUnknown."""
    meter = meters.find_many(project=project, codes=[code]).get(code)
    if meter is None:
        raise MeterUnknown("Define it with POST /meters, or see GET /meters.", field="meter")
    return meter


def check(*, meter: Meter) -> None:
    """Raises MeterNotBillable for an archived meter or an aggregation that Stripe cannot bill."""
    if meter.aggregation not in stripe_meters.FORMULAS:
        raise MeterNotBillable(
            "Stripe bills only meters with the aggregation count, sum or last. Use one of those."
        )
    if meter.archived_at is not None:
        raise MeterNotBillable("The meter is archived. Restore it first.")


def ensure(*, meter: Meter, account: StripeAccount, at: datetime) -> StripeMeter:
    """The meter in this account, created there if needed. Its records are reported from now on.

    Stripe's event names are unique, so repeated attempts create one meter. Raises
    StripeUnavailable; then the same call resumes the work.
    """
    rows = StripeMeter.objects.for_project(meter.project_id).filter(account=account, meter=meter)
    existing = rows.first()
    stripe_id = existing.stripe_id if existing else _create_at_stripe(meter, account, at)
    with transaction.atomic():
        if existing is None:
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
    return existing or rows.get()


def _create_at_stripe(meter: Meter, account: StripeAccount, at: datetime) -> str:
    client = client_for(account)
    stripe_id = stripe_meters.find(client, meter.pk)
    if stripe_id:
        return stripe_id
    try:
        fields = intents.change_object(
            project_id=meter.project_id,
            account=account,
            operation="meter.create",
            subject=meter.pk,
            target=meter.pk,
            params=stripe_meters.new(meter),
            request=CREATE_REQUEST,
            at=at,
        )
    except StripeRefused:
        stripe_id = stripe_meters.find(client, meter.pk)
        if stripe_id is None:
            raise
        return stripe_id
    return str(fields["id"])
