"""Verify that Stripe signed exactly these bytes, with a live secret of the endpoint, just now."""

import hmac
from collections.abc import Iterable, Sequence
from datetime import datetime

from stripe import WebhookSignature

SCHEME = "v1"
LONGEST_HEADER = 2048
"""Characters; Stripe sends one short signature per live secret."""
SECRETS_TRIED = 4
"""A rotation needs two; more would only cost time."""


class SignatureInvalid(Exception):
    """The bytes were not signed with a live secret within the tolerance. Gives no further
    reason."""


def verify(
    *,
    body: bytes,
    header: str,
    secrets: Iterable[str],
    at: datetime,
    tolerance: int,
    max_signatures: int = 5,
) -> None:
    """Return nothing, or raise :class:`SignatureInvalid` and no other error.

    ``tolerance`` in seconds, for past and future: Stripe's own check accepts any time in the
    future. Only the first ``max_signatures`` signatures are compared.
    """
    live = [secret for secret in secrets if secret.strip()][:SECRETS_TRIED]
    signed_at, signatures = _parse(header)
    if tolerance <= 0 or abs(at.timestamp() - signed_at) > tolerance:
        raise SignatureInvalid
    if not any(_matches(body, signed_at, signatures[:max_signatures], secret) for secret in live):
        raise SignatureInvalid


def sign(*, body: bytes, secret: str, at: datetime) -> str:
    """The header that Stripe sends with these bytes."""
    signed_at = int(at.timestamp())
    return str(WebhookSignature.generate_signature_header(body.decode(), secret, signed_at))


def _parse(header: str) -> tuple[int, list[str]]:
    """Time of the signature, and the signatures of Stripe's current scheme."""
    if len(header) > LONGEST_HEADER or not header.isascii():
        raise SignatureInvalid
    pairs = [part.strip().partition("=") for part in header.split(",")]
    times = [value for name, _, value in pairs if name == "t"]
    if len(times) != 1 or not times[0].isdigit() or len(times[0]) > 12:  # 1e12 s
        raise SignatureInvalid
    return int(times[0]), [value for name, _, value in pairs if name == SCHEME and value]


def _matches(body: bytes, signed_at: int, signatures: Sequence[str], secret: str) -> bool:
    """The check of the SDK, but over bytes: the SDK accepts text only, and a body may be invalid
    text."""
    expected = hmac.digest(secret.encode(), b"%d." % signed_at + body, "sha256").hex()
    return any(hmac.compare_digest(expected, signature) for signature in signatures)
