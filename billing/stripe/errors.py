"""Errors of Stripe, sorted by what the caller should do.

Wait (:class:`StripeUnavailable`), treat the object as gone (:class:`StripeObjectMissing`), tell an
operator or the tenant (:class:`StripeRefused`), or tell the buyer (:class:`CardDeclined`).
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import stripe
import structlog

from billing.stripe import requests
from common.errors import Conflict, DomainError, NotFound, PaymentRequired, Unavailable

log = structlog.get_logger(__name__)

BUSY = frozenset({"lock_timeout", "rate_limit", "idempotency_key_in_use"})
"""Error codes that mean "not now", regardless of the HTTP status."""
MISSING = frozenset({"resource_missing", "not_found"})
"""Error codes of /v1 and /v2 that mean "no such object"."""
LONGEST_WAIT = 60
"""Seconds; a longer Retry-After of Stripe is shortened to this."""
SHORTEST_WAIT = 2
"""Seconds."""
UNREADABLE = (AttributeError, LookupError, TypeError, ValueError, ArithmeticError)
"""Exceptions raised by reading an answer that lacks a member, or has one of another type."""
PERMISSION = re.compile(r"\brak_[a-z0-9_]{1,60}")
"""Stripe's name of a permission of a restricted key."""


class StripeUnavailable(Unavailable):
    """Stripe did not answer, or asked us to retry later. Whether it acted is unknown."""

    code, title = "stripe-unavailable", "Stripe is away or busy."


class StripeNotAsked(StripeUnavailable):
    """No request was sent, because an earlier request is still unresolved. Proves nothing about
    Stripe."""


class StripeBusy(StripeUnavailable):
    """Stripe received too many requests of this account."""


class StripeFailed(StripeUnavailable):
    """Stripe failed while it worked, and repeats this answer for the same idempotency key.

    ``replayed``: Stripe repeated the stored answer of an earlier request.
    """

    def __init__(self, detail: str = "", *, replayed: bool, retry_after: int) -> None:
        super().__init__(detail, retry_after=retry_after)
        self.replayed = replayed


class StripeMalformed(StripeUnavailable):
    """Stripe's answer to one request does not match its API and cannot be read.

    Whether Stripe acted is unknown. It proves nothing about the rest of the account.
    """


class StripeObjectMissing(NotFound):
    """Stripe has no such object in this account and mode."""

    code, title = "stripe-object-missing", "Stripe has no such object."


class StripeRefused(Conflict):
    """Stripe understood the request and refused it. The same request will be refused again."""

    code, title = "stripe-refused", "Stripe refused this."


class StripeCredentialsRefused(StripeRefused):
    """The account's secret key does not permit the request."""

    code, title = "stripe-key-refused", "Stripe did not accept the account's secret key."


class StripeNotConfigured(StripeCredentialsRefused):
    """The Stripe account of the project has no secret key, so nothing can be sold."""

    code, title = "stripe-not-configured", "No Stripe key is set for this project."


class StripePermissionMissing(StripeCredentialsRefused):
    """The account's restricted key lacks a permission; other requests may still be answered.

    ``permission`` is Stripe's name for it, such as ``rak_coupon_read``, or empty if Stripe names
    none.
    """

    code, title = "stripe-permission-missing", "The account's key lacks a permission."

    def __init__(self, detail: str = "", *, permission: str = "", **extra: Any) -> None:
        super().__init__(detail, **extra)
        self.permission = permission


class IdempotencyMismatch(StripeRefused):
    """An idempotency key was sent again with other parameters: a defect of ours, never a retry."""

    code, title = "stripe-idempotency-mismatch", "A retry did not match its first attempt."


class CardDeclined(PaymentRequired):
    """The bank declined the card. ``decline_code`` is Stripe's.

    ``payment_stripe_id`` is the id of the PaymentIntent that exists all the same and waits for
    another payment method; empty without one.
    """

    def __init__(self, detail: str = "", *, payment_stripe_id: str = "", **extra: Any) -> None:
        super().__init__(detail, **extra)
        self.payment_stripe_id = payment_stripe_id


@contextmanager
def translate() -> Iterator[None]:
    """Turn exceptions of the SDK, and exceptions from reading an answer, into the errors of this
    module."""
    try:
        yield
    except stripe.StripeError as error:
        translated = _sort(error)
        log.warning(
            "stripe_error",
            outcome=translated.code,
            error=type(error).__name__,
            stripe_code=_code(error),
            status=error.http_status,
            stripe_request_id=error.request_id,
        )
        raise translated from error
    except UNREADABLE as error:
        raise malformed(error) from error


def malformed(error: Exception) -> StripeMalformed:
    """The error for an answer that could not be read because of ``error``."""
    request_id = requests.last_id()
    log.warning(
        "stripe_answer_malformed",
        error=type(error).__name__,
        stripe_request_id=request_id,
        exc_info=error,
    )
    request_note = f" to request {request_id}" if request_id else ""
    return StripeMalformed(
        f"Stripe's answer{request_note} could not be read. Nothing is lost. "
        "Send the same request again, with the same Idempotency-Key.",
        retry_after=SHORTEST_WAIT,
    )


def _code(error: stripe.StripeError) -> str:
    """The error code of the body; ``error.code`` is empty for some classes."""
    body = getattr(error, "error", None)
    return str(getattr(body, "code", None) or error.code or "")


def _sort(error: stripe.StripeError) -> DomainError:
    status = error.http_status or 0
    if _code(error) in BUSY or status in (409, 429):
        return _unavailable(error, StripeBusy if _is_rate_limit(error) else StripeUnavailable)
    if status >= 500:
        return _failed(error)
    match error:
        case stripe.CardError():
            return _declined(error)
        case stripe.PermissionError():
            return _permission_missing(error)
        case stripe.AuthenticationError():
            return StripeCredentialsRefused(
                "Check the secret key of this Stripe account: an operator has to replace it."
            )
        case stripe.IdempotencyError():
            return IdempotencyMismatch("Nothing was changed. Tell the operators.")
        case stripe.InvalidRequestError():
            return _refused(error)
    return _unavailable(error)


def _permission_missing(error: stripe.PermissionError) -> StripePermissionMissing:
    match = PERMISSION.search(error.user_message or "")
    permission = match[0] if match else ""
    permission_note = f" Stripe names {permission}." if permission else ""
    return StripePermissionMissing(
        "Give the restricted key of this Stripe account the permission that is missing."
        f"{permission_note}",
        permission=permission,
    )


def _refused(error: stripe.InvalidRequestError) -> StripeObjectMissing | StripeRefused:
    detail = f"Stripe says: {error.user_message}" if error.user_message else ""
    if _code(error) in MISSING:
        return StripeObjectMissing(detail)
    return StripeRefused(detail, stripe_code=_code(error) or None)


def _is_rate_limit(error: stripe.StripeError) -> bool:
    return error.http_status == 429 and _code(error) != "lock_timeout"


def _unavailable(
    error: stripe.StripeError, error_class: type[StripeUnavailable] = StripeUnavailable
) -> StripeUnavailable:
    return error_class(
        "Nothing is lost. Send the same request again, with the same Idempotency-Key.",
        retry_after=_wait(error),
    )


def _failed(error: stripe.StripeError) -> StripeFailed:
    return StripeFailed(
        "Stripe had an error. Send the same request again, with the same Idempotency-Key.",
        replayed=str((error.headers or {}).get("idempotent-replayed", "")).lower() == "true",
        retry_after=_wait(error),
    )


def _wait(error: stripe.StripeError) -> int:
    """Seconds of Stripe's Retry-After, within our bounds; the shortest wait if it is absent or
    invalid."""
    header = str((error.headers or {}).get("retry-after", ""))
    seconds = int(header[:6]) if header.isascii() and header.isdigit() else 0
    return min(max(seconds, SHORTEST_WAIT), LONGEST_WAIT)


def _declined(error: stripe.CardError) -> CardDeclined:
    body = getattr(error, "error", None)
    return CardDeclined(
        error.user_message or "",
        payment_stripe_id=str(getattr(getattr(body, "payment_intent", None), "id", None) or ""),
        decline_code=getattr(body, "decline_code", None) or _code(error) or None,
    )
