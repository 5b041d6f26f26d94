"""Whether Stripe signed these very bytes, with any of an endpoint's live secrets, just now."""

from collections.abc import Iterable
from datetime import datetime

from stripe import SignatureVerificationError, WebhookSignature

SCHEME = "v1"
LONGEST_HEADER = 2048
"""Characters; Stripe sends one short signature for each live secret."""
SECRETS_TRIED = 4
"""Two are enough for a rotation; more would only cost time."""


class SignatureInvalid(Exception):
    """The bytes were not signed with a live secret within the window. Never says why."""


def verify(
    *,
    body: bytes,
    header: str,
    secrets: Iterable[str],
    at: datetime,
    tolerance: int,
    max_signatures: int = 5,
) -> None:
    """Pass silently, or raise :class:`SignatureInvalid` and nothing else.

    ``tolerance`` is in seconds and holds both ways: Stripe's own check accepts any time in the
    future. Signatures beyond the first ``max_signatures`` are not looked at.
    """
    live = [secret for secret in secrets if secret.strip()][:SECRETS_TRIED]
    signed_at, trimmed = _parse(header, max_signatures)
    if tolerance <= 0 or abs(at.timestamp() - signed_at) > tolerance:
        raise SignatureInvalid
    if not any(_matches(body, trimmed, secret) for secret in live):
        raise SignatureInvalid


def sign(*, body: bytes, secret: str, at: datetime) -> str:
    """The header that Stripe would send with these bytes."""
    signed_at = int(at.timestamp())
    return str(WebhookSignature.generate_signature_header(body.decode(), secret, signed_at))


def _parse(header: str, max_signatures: int) -> tuple[int, str]:
    """The time of signing, and the header with no more than the signatures to look at."""
    if len(header) > LONGEST_HEADER or not header.isascii():
        raise SignatureInvalid
    pairs = [part.strip().partition("=") for part in header.split(",")]
    times = [value for name, _, value in pairs if name == "t"]
    signatures = [value for name, _, value in pairs if name == SCHEME and value]
    if len(times) != 1 or not times[0].isdigit() or len(times[0]) > 12:  # 1e12 s
        raise SignatureInvalid
    kept = (f"{SCHEME}={signature}" for signature in signatures[:max_signatures])
    return int(times[0]), ",".join([f"t={int(times[0])}", *kept])


def _matches(body: bytes, header: str, secret: str) -> bool:
    try:
        return bool(WebhookSignature.verify_header(body, header, secret, None))
    except (SignatureVerificationError, TypeError, ValueError):
        return False
