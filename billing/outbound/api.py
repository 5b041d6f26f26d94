"""A name for a tenant's request, by which its repetitions are recognised."""

from rest_framework.request import Request

from billing.outbound import request_dedup
from common.ids import new_id


def request_name(request: Request, *content: object) -> str:
    """Equal for equal ``Idempotency-Key`` and content. Without a key it is new for each request."""
    key = request.headers.get("Idempotency-Key", "")
    return request_dedup.request_key(key, *content) if key else new_id("req")
