"""The body of a webhook, and its signature with every live secret."""

from __future__ import annotations

import json
import secrets as randomness
import time

from stripe import WebhookSignature

from sandbox import thin_events
from sandbox.objects import Object


def build_payload(event: Object, endpoint: Object) -> bytes:
    """The event as Stripe prints it, with the endpoint's API version; of a thin event the sent
    fields."""
    if event["object"] == thin_events.KIND:
        return json.dumps(thin_events.delivered_fields(event)).encode()
    version = endpoint["api_version"] or event["api_version"]
    return json.dumps({**event, "api_version": version}, indent=2).encode()


def build_headers(body: bytes, secrets: list[str]) -> dict[str, str]:
    """Signature headers, with real time as the timestamp, whatever the sandbox clock shows.

    As in Stripe's test mode, a meaningless ``v0`` signature is added.
    """
    now = int(time.time())
    signed = [
        WebhookSignature.generate_signature_header(body.decode(), secret, now).split(",", 1)[1]
        for secret in secrets
    ]
    return {
        "Content-Type": "application/json; charset=utf-8",
        "Stripe-Signature": ",".join([f"t={now}", *signed, f"v0={randomness.token_hex(32)}"]),
        "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
    }
