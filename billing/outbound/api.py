"""What recognises a tenant's request when it comes again."""

from rest_framework.request import Request

from billing.outbound import request_dedup as making
from common.ids import new_id


def name(request: Request, *said: object) -> str:
    """The same for the same ``Idempotency-Key`` and content; always new without a key."""
    key = request.headers.get("Idempotency-Key", "")
    return making.request_key(key, *said) if key else new_id("req")
