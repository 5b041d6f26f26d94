"""Refusals of Stripe's deliveries and of replays."""

from common.errors import Conflict, DomainError


class SignatureRefused(DomainError):
    """The answer does not say which part of the signature is wrong."""

    status, code, title = 400, "signature-refused", "The signature does not verify."


class EventTooLarge(DomainError):
    status, code, title = 413, "body-too-large", "The body is larger than an event can be."


class NothingToRead(Conflict):
    """The event has no mirrored object, so there is nothing to read again."""

    code, title = "nothing-to-read", "This event has no object to read again."
