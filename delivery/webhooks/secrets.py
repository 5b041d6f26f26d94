"""The signing secrets of an endpoint: one, or two while it is replaced."""

from datetime import datetime, timedelta

from common import standard_webhooks
from delivery.models import WebhookEndpoint, WebhookSecret

OVERLAP_HOURS, MAX_OVERLAP_HOURS = 24, 72


def add(row: WebhookEndpoint, *, at: datetime) -> str:
    """Store a new secret of a locked endpoint, and return it."""
    secret = standard_webhooks.make_secret()
    stored = WebhookSecret(project_id=row.project_id, endpoint=row, created_at=at)
    stored.seal(secret)
    stored.save(force_insert=True)
    return secret


def rotate(row: WebhookEndpoint, *, overlap_hours: int, at: datetime) -> str:
    """Store a new secret of a locked endpoint, and return it. The newest of the earlier ones stays
    for so long; there are never more than two."""
    earlier = list(row.secrets.order_by("-created_at", "-pk"))
    expires_at = at + timedelta(hours=overlap_hours)
    for number, stored in enumerate(earlier):
        if number or not overlap_hours:
            stored.delete()
        elif stored.expires_at is None or stored.expires_at > expires_at:
            stored.expires_at = expires_at
            stored.save(update_fields=["expires_at"])
    return add(row, at=at)
