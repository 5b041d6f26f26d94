"""Create inbound events in every state of their sync."""

import json
from datetime import datetime, timedelta
from typing import Any

from billing.models import (
    StripeAccount,
    StripeEndpoint,
    SyncObject,
)
from delivery.models import HeldEntry
from projects.models import Project
from tests.console.world_catalog import new_stripe_id
from webhooks.models import InboundEvent

SYNC_STATES: list[dict[str, Any]] = [
    {"requested": 1, "applied": 1},
    {"requested": 2, "applied": 0, "attempts": 1, "last_error": "StripeUnavailable: no answer"},
    {"requested": 1, "applied": 0, "attempts": 5, "last_error": "DependencyMissing: waits"},
    {"requested": 1, "applied": 1},
]
"""Applied, waiting, parked, foreign: by the event's number."""


def create_event(
    endpoint: StripeEndpoint,
    account: StripeAccount,
    project: Project,
    now: datetime,
    number: int,
) -> InboundEvent:
    stripe_id = new_stripe_id("sub")
    kind = number % 4
    sync = SyncObject.objects.create(
        account=account,
        kind="subscription",
        stripe_id=stripe_id,
        project=project if kind != 3 else None,
        parked_at=now if kind == 2 else None,
        foreign_at=now if kind == 3 else None,
        **SYNC_STATES[kind],
    )
    event_id = new_stripe_id("evt")
    body = {
        "id": event_id,
        "object": "event",
        "type": "customer.subscription.updated",
        "livemode": False,
        "created": int(now.timestamp()),
        "data": {"object": {"id": stripe_id, "object": "subscription"}},
    }
    return InboundEvent.objects.create(
        endpoint=endpoint,
        event_id=event_id,
        type="customer.subscription.updated",
        stripe_object_id=stripe_id,
        body=json.dumps(body).encode(),
        sync=sync,
        request_number=1,
        received_at=now - timedelta(hours=number % 20),
        last_received_at=now,
    )


def create_held_entry(name: str, now: datetime, number: int) -> HeldEntry:
    """Parked, failing or waiting behind another, by its number."""
    return HeldEntry.objects.create(
        consumer="search",
        stream="tollgate:events:all",
        entry_id=f"{number}-0",
        message_id=f"{new_stripe_id('evt')} {name}"[:192],
        lane=name[:64],
        fields="",
        failures=(5, 1, 0)[number % 3],
        error=f"ValueError: {name}" if number % 3 != 2 else "",
        held_at=now,
        next_try_at=now,
        parked_at=now if number % 3 == 0 else None,
    )
