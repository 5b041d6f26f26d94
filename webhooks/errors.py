"""Refusals of Stripe's deliveries and of operators' replays."""

from common.errors import Conflict, DomainError


class SignatureRefused(DomainError):
    """The answer does not tell which part of the signature was wrong."""

    status, code, title = 400, "signature-refused", "The signature does not verify."


class EventTooLarge(DomainError):
    status, code, title = 413, "body-too-large", "The body is larger than an event can be."


class NothingToRead(Conflict):
    """The event names no object that is mirrored, so there is nothing to do again."""

    code, title = "nothing-to-read", "This event names nothing that could be read again."
