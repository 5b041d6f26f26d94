"""The ids that Stripe gives to requests, by which its support finds them."""

from contextvars import ContextVar

_last_id: ContextVar[str] = ContextVar("stripe_request_id", default="")


def last_id() -> str:
    """The id of the last request of this thread; empty when it had no answer, or one without."""
    return _last_id.get()


def note_id(request_id: str) -> None:
    """Remember the id of an answer; empty before one comes."""
    _last_id.set(request_id)
