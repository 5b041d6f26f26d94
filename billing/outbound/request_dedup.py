"""Recognise a repeated request of a tenant whose first try has no answer yet."""

import hashlib
import json
from datetime import datetime
from functools import cache
from typing import TypeVar

from django.db.models import Q

from billing.models.outbound import Outbound
from billing.outbound import selectors as intents
from billing.outbound.intent_resolution import KEY_LIFE
from common.prepared_queries import Parameter, PreparedQuery

OutboundT = TypeVar("OutboundT", bound=Outbound)

ANY_ROW = Q()
OF_CUSTOMER = Q(customer=Parameter("customer_id"))


def request_key(idempotency_key: str, *parts: object) -> str:
    """SHA-256 of the tenant's ``Idempotency-Key`` (may be empty) and the content of its request."""
    content = json.dumps([idempotency_key, *parts], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()


def find_earlier(
    model: type[OutboundT],
    *,
    project_id: str,
    key: str,
    is_named: bool,
    at: datetime,
    condition: Q = ANY_ROW,
    **parameters: str,
) -> OutboundT | None:
    """Find the project's row that an earlier try of the same request has created.

    A repeated request with an idempotency key of its own (``is_named``) always means that row. A
    request without one means it only until the earlier try is answered; then it asks for a new row.
    ``condition`` is a constant; its ``parameters`` are given by name.
    """
    query = _earlier(model, is_named, condition)
    return query.first(project_id=project_id, key=key, since=at - KEY_LIFE, **parameters)


@cache
def _earlier(model: type[OutboundT], is_named: bool, condition: Q) -> PreparedQuery[OutboundT]:
    return PreparedQuery(
        lambda: (
            model.objects.for_project(Parameter("project_id"))
            .filter(
                condition,
                ANY_ROW if is_named else Q(stripe_id__isnull=True) | intents.unanswered("pk"),
                request_key=Parameter("key"),
                created_at__gt=Parameter("since"),
            )
            .order_by("id")
        )
    )
