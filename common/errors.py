"""Expected outcomes that are not success, each with a status, a stable code and a title.

A :class:`DomainError` becomes an RFC 9457 problem document; ``docs/errors.md`` is generated from
these classes. Raise one with a ``detail`` that says what to do next. Keyword arguments become
members of the document, so they must be safe to show to the caller.
"""

from typing import Any, ClassVar


class DomainError(Exception):
    """An expected outcome of a use case that is not success."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "bad-request"
    title: ClassVar[str] = "The request could not be carried out."

    def __init__(self, detail: str = "", *, retry_after: int | None = None, **extra: Any) -> None:
        super().__init__(detail or self.title)
        self.detail = detail
        self.retry_after = retry_after
        self.extra = extra


class NotFound(DomainError):
    """It does not exist, or it belongs to another project: both get the same answer."""

    status, code, title = 404, "not-found", "There is no such resource."


class Conflict(DomainError):
    """The request is well-formed but not possible in the present state."""

    status, code, title = 409, "conflict", "The resource is not in a state that allows this."


class Invalid(DomainError):
    """The request is malformed or breaks a rule. ``errors`` names the fields."""

    status, code, title = 422, "invalid", "The request is not valid."

    def __init__(self, detail: str = "", *, field: str | None = None, **extra: Any) -> None:
        if field is not None:
            extra["errors"] = [{"pointer": f"#/{field}", "code": self.code, "detail": detail}]
        super().__init__(detail, **extra)


class PaymentRequired(DomainError):
    """The bank declined the payment."""

    status, code, title = 402, "card-declined", "The payment was declined."


class Unauthorized(DomainError):
    """The request has no valid credentials."""

    status, code, title = 401, "unauthorized", "This needs valid credentials."
    challenge: ClassVar[str] = "Bearer"
    """The value of ``WWW-Authenticate``."""


class Unavailable(DomainError):
    """A dependency is unavailable; the caller should try again later."""

    status, code, title = 503, "unavailable", "A service that is needed for this is away."

    def __init__(self, detail: str = "", *, retry_after: int = 5, **extra: Any) -> None:
        super().__init__(detail, retry_after=retry_after, **extra)
