"""Signatures of Standard Webhooks (https://www.standardwebhooks.com): secrets, signing, verifying.

Without Django: outgoing webhooks are signed with it, and inbound ones can be verified. A signature
is ``v1,`` and the base64 of an HMAC-SHA256 over ``<id>.<timestamp>.<body>``.
"""

import base64
import binascii
import hmac
import re
import secrets as random
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

PREFIX = "whsec_"
MIN_SECRET_BYTES, MAX_SECRET_BYTES = 24, 64
NEW_SECRET_BYTES = 32
TOLERANCE = timedelta(minutes=5)
"""Greatest distance of a timestamp from now, in the past and in the future."""

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
_MESSAGE_ID = re.compile(r"[A-Za-z0-9_\-]{1,255}")
"""No dot, which separates the parts of the signed text."""
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_SECONDS = re.compile(r"[0-9]{1,12}")


class SecretRefused(ValueError):
    """The text is not a signing secret; the message says why and does not contain the text."""


class WebhookFault(StrEnum):
    """What is wrong with a webhook whose signature does not verify."""

    MISSING_HEADER = "missing_header"
    MALFORMED_HEADER = "malformed_header"
    TOO_OLD = "too_old"
    IN_THE_FUTURE = "in_the_future"
    WRONG_SIGNATURE = "wrong_signature"


class WebhookUnverified(Exception):
    """The webhook was not signed with one of the secrets, or not within the tolerance."""

    def __init__(self, fault: WebhookFault, message: str) -> None:
        super().__init__(message)
        self.fault = fault


def make_secret() -> str:
    """A new random secret: ``whsec_`` and 32 bytes in base64."""
    return PREFIX + base64.b64encode(random.token_bytes(NEW_SECRET_BYTES)).decode()


def parse_secret(text: str) -> bytes:
    """The key of a secret. Raises SecretRefused.

    Only the standard alphabet with padding is accepted: libraries disagree about all else, and
    Python drops foreign characters, which gives another key without an error.
    """
    if not text.startswith(PREFIX):
        raise SecretRefused(f"A signing secret begins with {PREFIX}.")
    encoded = text.removeprefix(PREFIX)
    if not _BASE64.fullmatch(encoded):
        raise SecretRefused(
            f"After {PREFIX}, a signing secret is base64 with padding, in the standard alphabet."
        )
    key = base64.b64decode(encoded)
    if base64.b64encode(key).decode() != encoded:
        raise SecretRefused("The last character of the signing secret has bits that mean nothing.")
    if not MIN_SECRET_BYTES <= len(key) <= MAX_SECRET_BYTES:
        raise SecretRefused(
            f"A signing secret has {MIN_SECRET_BYTES} to {MAX_SECRET_BYTES} bytes, not {len(key)}."
        )
    return key


def sign(keys: Sequence[bytes], *, message_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """The three headers of one attempt, with one signature for each key in the given order
    (newest first).

    ``keys`` are results of ``parse_secret``. ``at``: time of the attempt, with a time zone. Raises
    ValueError for an id with other characters than letters, digits, ``_`` and ``-``.
    """
    if not keys:
        raise ValueError("A webhook needs at least one key.")
    if not _MESSAGE_ID.fullmatch(message_id):
        raise ValueError(f"{message_id!r} is no id of a webhook.")
    if at.tzinfo is None:
        raise ValueError("The time of an attempt needs a time zone.")
    seconds = str(int(at.timestamp()))
    signed = _signed_text(message_id, seconds, body)
    return {
        ID: message_id,
        TIMESTAMP: seconds,
        SIGNATURE: " ".join(f"v1,{_signature(key, signed)}" for key in keys),
    }


def verify(
    keys: Sequence[bytes],
    headers: Mapping[str, str],
    body: bytes,
    *,
    now: datetime,
    tolerance: timedelta = TOLERANCE,
) -> None:
    """Return if one ``v1`` signature fits one of the keys. Raises WebhookUnverified.

    Header names are compared without case. Signatures of other versions are ignored.
    """
    by_name = {name.lower(): value for name, value in headers.items()}
    message_id, seconds = _header(by_name, ID), _header(by_name, TIMESTAMP)
    signatures = _header(by_name, SIGNATURE)
    if not _SECONDS.fullmatch(seconds):
        raise WebhookUnverified(
            WebhookFault.MALFORMED_HEADER, f"{TIMESTAMP} is not a number of whole seconds."
        )
    age = now.timestamp() - int(seconds)
    if age > tolerance.total_seconds():
        raise WebhookUnverified(WebhookFault.TOO_OLD, "The webhook was signed too long ago.")
    if age < -tolerance.total_seconds():
        raise WebhookUnverified(
            WebhookFault.IN_THE_FUTURE, "The webhook was signed in the future: compare the clocks."
        )
    signed = _signed_text(message_id, seconds, body)
    expected = [_signature(key, signed).encode() for key in keys]
    if not _has_match(expected, signatures):
        raise WebhookUnverified(
            WebhookFault.WRONG_SIGNATURE,
            "No v1 signature fits the secret and the body.",
        )


def _has_match(expected: Sequence[bytes], signatures: str) -> bool:
    """Compare every entry with every expected signature, in constant time each."""
    is_match = False
    for entry in signatures.split(" "):
        version, _, signature = entry.partition(",")
        if version == "v1":
            for each in expected:
                is_match |= hmac.compare_digest(each, signature.encode())
    return is_match


def _header(by_name: Mapping[str, str], name: str) -> str:
    value = by_name.get(name, "")
    if not value:
        raise WebhookUnverified(WebhookFault.MISSING_HEADER, f"The header {name} is missing.")
    if not value.isascii():
        raise WebhookUnverified(WebhookFault.MALFORMED_HEADER, f"{name} is not ASCII.")
    return value


def _signed_text(message_id: str, seconds: str, body: bytes) -> bytes:
    return b"%s.%s.%s" % (message_id.encode(), seconds.encode(), body)


def _signature(key: bytes, signed: bytes) -> str:
    return binascii.b2a_base64(hmac.digest(key, signed, "sha256"), newline=False).decode()
