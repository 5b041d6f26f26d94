"""Recognise a tenant's request that comes again while its row has no answer yet."""

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
    """Recognises a tenant's request when it comes again: by its key if it has one, and content."""
    told = json.dumps([idempotency_key, *parts], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(told.encode()).hexdigest()


def begun(
    rows: ProjectQuerySet[OutboundT], *, key: str, is_named: bool, at: datetime
) -> OutboundT | None:
    """The row that an earlier try of the same request has left, if any.

    A request with an idempotency key of its own (``is_named``) is the same for good; one without
    only while the earlier try has had no answer: after that it asks for one more.
    """
    same = rows.filter(request_key=key, created_at__gt=at - KEY_LIFE)
    unanswered = Q(stripe_id__isnull=True) | intents.unanswered("pk")
    return (same if is_named else same.filter(unanswered)).order_by("id").first()
