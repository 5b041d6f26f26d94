"""The name by which a repeated request of a tenant is recognised."""

from rest_framework.request import Request

from billing.outbound import request_dedup
from common.ids import new_id


def request_name(request: Request, *content: object) -> str:
    """The same for the same ``Idempotency-Key`` and content; without a key a new one each time."""
    key = request.headers.get("Idempotency-Key", "")
    return request_dedup.request_key(key, *content) if key else new_id("req")
