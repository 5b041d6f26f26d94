"""Routes of thin events of the last 30 days."""

from __future__ import annotations

from datetime import datetime

from stripe.params.v2.core import EventRetrieveParams

from sandbox.errors import StripeFailure
from sandbox.objects import Object, Params
from sandbox.resources.events import RETENTION_SECONDS
from sandbox.routing import Routes
from sandbox.thin_events import KIND
from sandbox.transaction import Transaction

routes = Routes()


@routes.get("/v2/core/events/<id>", EventRetrieveParams)
def retrieve(tx: Transaction, params: Params, event_id: str) -> Object:
    event = tx.get(KIND, event_id)
    if event is None or _is_past_retention(tx, event):
        raise StripeFailure(f"No such event: '{event_id}'.", status=404, code="not_found")
    return event


def _is_past_retention(tx: Transaction, event: Object) -> bool:
    return datetime.fromisoformat(event["created"]).timestamp() < tx.now - RETENTION_SECONDS
