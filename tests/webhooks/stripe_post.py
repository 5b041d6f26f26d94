"""Deliver webhooks by hand with any bytes, headers, secret and time."""

import hashlib
import hmac
import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from tests.served_client import ServedClient

PATH = "/webhooks/stripe"


def sign(body: bytes, secret: str, at: datetime | None = None) -> str:
    """The header that Stripe would send; the SDK's own signs text only."""
    moment = int((at or timezone.now()).timestamp())
    payload = f"{moment}.".encode() + body
    return f"t={moment},v1={hmac.new(secret.encode(), payload, hashlib.sha256).hexdigest()}"


def event(
    type: str = "product.updated", object_id: str = "prod_1", **fields: Any
) -> dict[str, Any]:
    """An event as Stripe prints it, with the little of it that counts."""
    return {
        "id": "evt_1",
        "object": "event",
        "api_version": "2026-10-28.endive",
        "created": 1_700_000_000,
        "livemode": False,
        "type": type,
        "data": {"object": {"id": object_id, "object": type.partition(".")[0]}},
        **fields,
    }


@dataclass
class StripePost:
    """Delivers to one endpoint, signed with its secret by default."""

    secret: str
    path: str = PATH
    _client: Client = field(default_factory=ServedClient)

    def __call__(
        self,
        body: bytes | dict[str, Any],
        *,
        header: str | None = None,
        secret: str | None = None,
        at: datetime | None = None,
        path: str | None = None,
    ) -> HttpResponse:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        signature = sign(raw, secret or self.secret, at) if header is None else header
        return self._client.post(  # type: ignore[return-value]  # a monkey-patched HttpResponse
            path or self.path,
            data=raw,
            content_type="application/json",
            headers={"Stripe-Signature": signature},
        )
