"""What can go wrong with Stripe, sorted by what the caller should do.

Wait (:class:`StripeUnavailable`), take it as gone (:class:`StripeObjectMissing`), tell someone
(:class:`StripeRefused`), or tell the buyer (:class:`CardDeclined`).
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
"""Error codes that mean "not now", whatever HTTP status they come with."""
MISSING = frozenset({"resource_missing", "not_found"})
"""Error codes that mean "no such object": of /v1 and of /v2."""
LONGEST_WAIT = 60
"""Seconds; a longer Retry-After from Stripe is not passed on."""
SHORTEST_WAIT = 2
UNREADABLE = (AttributeError, LookupError, TypeError, ValueError, ArithmeticError)
"""What reading an answer raises when a member is absent or of another kind than promised."""
PERMISSION = re.compile(r"\brak_[a-z0-9_]{1,60}")
"""How Stripe names a permission of a restricted key."""


class StripeUnavailable(Unavailable):
    """Stripe did not answer, or asked us to come back. Whether it acted is not known."""

    code, title = "stripe-unavailable", "Stripe is away or busy."


class StripeNotAsked(StripeUnavailable):
    """We did not ask: an earlier request of ours has not come to its end. Says nothing about
    Stripe or the account."""


class StripeBusy(StripeUnavailable):
    """Too many requests at once for this account."""


class StripeFailed(StripeUnavailable):
    """Stripe broke while it worked, and will say so again under the same idempotency key.

    ``replayed`` tells that this is an old answer, repeated.
    """

    def __init__(self, detail: str = "", *, replayed: bool, retry_after: int) -> None:
        super().__init__(detail, retry_after=retry_after)
        self.replayed = replayed


class StripeMalformed(StripeUnavailable):
    """Stripe's answer to one question was not what its API promises: it cannot be read.

    Whether Stripe acted is not known. It says nothing about the rest of the account.
    """


class StripeObjectMissing(NotFound):
    """Stripe has no such object in this account and mode."""

    code, title = "stripe-object-missing", "Stripe has no such object."


class StripeRefused(Conflict):
    """Stripe understood and said no. Asking again in the same way changes nothing."""

    code, title = "stripe-refused", "Stripe refused this."


class StripeCredentialsRefused(StripeRefused):
    """The account's secret key does not open what was asked for."""

    code, title = "stripe-key-refused", "Stripe did not accept the account's secret key."


class StripePermissionMissing(StripeCredentialsRefused):
    """The account's restricted key lacks a permission. Requests of other kinds are answered.

    ``permission`` is Stripe's name of it, such as ``rak_coupon_read``, if Stripe says it.
    """

    code, title = "stripe-permission-missing", "The account's key lacks a permission."

    def __init__(self, detail: str = "", *, permission: str = "", **extra: Any) -> None:
        super().__init__(detail, **extra)
        self.permission = permission


class IdempotencyMismatch(StripeRefused):
    """A key of ours was sent with other parameters than the first time: a defect, never a retry."""

    code, title = "stripe-idempotency-mismatch", "A retry did not match its first attempt."


class CardDeclined(PaymentRequired):
    """The bank said no. ``decline_code`` is Stripe's.

    ``made`` is the id of the payment that was made all the same and waits for another card.
    """

    def __init__(self, detail: str = "", *, made: str = "", **extra: Any) -> None:
        super().__init__(detail, **extra)
        self.made = made


@contextmanager
def translate() -> Iterator[None]:
    """Turn what the SDK raises, and what reading an answer raises, into one of the errors above."""
    try:
        yield
    except stripe.StripeError as error:
        found = _sort(error)
        log.warning(
            "stripe_error",
            outcome=found.code,
            error=type(error).__name__,
            stripe_code=_code(error),
            status=error.http_status,
            stripe_request_id=error.request_id,
        )
        raise found from error
    except UNREADABLE as error:
        raise malformed(error) from error


def malformed(error: Exception) -> StripeMalformed:
    """What to raise for an answer that ``error`` kept from being read."""
    request_id = requests.last_id()
    log.warning(
        "stripe_answer_malformed",
        error=type(error).__name__,
        stripe_request_id=request_id,
        exc_info=error,
    )
    named = f" to request {request_id}" if request_id else ""
    return StripeMalformed(
        f"Stripe's answer{named} could not be read. Nothing is lost. Send the same request again, "
        "with the same Idempotency-Key.",
        retry_after=SHORTEST_WAIT,
    )


def _code(error: stripe.StripeError) -> str:
    """``error.code`` is empty for some classes; the body's own is not."""
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
    found = PERMISSION.search(error.user_message or "")
    permission = found[0] if found else ""
    named = f" Stripe names {permission}." if permission else ""
    return StripePermissionMissing(
        f"Give the restricted key of this Stripe account the permission that is missing.{named}",
        permission=permission,
    )


def _refused(error: stripe.InvalidRequestError) -> StripeObjectMissing | StripeRefused:
    said = f"Stripe says: {error.user_message}" if error.user_message else ""
    if _code(error) in MISSING:
        return StripeObjectMissing(said)
    return StripeRefused(said, stripe_code=_code(error) or None)


def _is_rate_limit(error: stripe.StripeError) -> bool:
    return error.http_status == 429 and _code(error) != "lock_timeout"


def _unavailable(
    error: stripe.StripeError, outcome: type[StripeUnavailable] = StripeUnavailable
) -> StripeUnavailable:
    return outcome(
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
    """Stripe's Retry-After within bounds; the shortest wait when it says nothing usable."""
    said = str((error.headers or {}).get("retry-after", ""))
    seconds = int(said[:6]) if said.isascii() and said.isdigit() else 0
    return min(max(seconds, SHORTEST_WAIT), LONGEST_WAIT)


def _declined(error: stripe.CardError) -> CardDeclined:
    body = getattr(error, "error", None)
    return CardDeclined(
        error.user_message or "",
        made=str(getattr(getattr(body, "payment_intent", None), "id", None) or ""),
        decline_code=getattr(body, "decline_code", None) or _code(error) or None,
    )
