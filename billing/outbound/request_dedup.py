"""Recognise a repeated request of a tenant whose first try has no answer yet."""

import hashlib
import json
from datetime import datetime
from typing import TypeVar

from django.db.models import Q

from billing.models.outbound import Outbound
from billing.outbound import selectors as intents
from billing.outbound.intent_resolution import KEY_LIFE
from common.models import ProjectQuerySet

OutboundT = TypeVar("OutboundT", bound=Outbound)


def request_key(idempotency_key: str, *parts: object) -> str:
    """SHA-256 of the tenant's ``Idempotency-Key`` (may be empty) and the content of its request."""
    content = json.dumps([idempotency_key, *parts], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()


def find_earlier(
    rows: ProjectQuerySet[OutboundT], *, key: str, is_named: bool, at: datetime
) -> OutboundT | None:
    """Find the row that an earlier try of the same request has created.

    A repeated request with an idempotency key of its own (``is_named``) always means that row. A
    request without one means it only until the earlier try is answered; then it asks for a new row.
    """
    same = rows.filter(request_key=key, created_at__gt=at - KEY_LIFE)
    unanswered = Q(stripe_id__isnull=True) | intents.unanswered("pk")
    return (same if is_named else same.filter(unanswered)).order_by("id").first()
