"""What follows when Stripe has created the object of a row: the app's higher rooms register it."""

from collections.abc import Callable
from datetime import datetime

from billing.models.outbound import Outbound

RecordCreation = Callable[[datetime], None]
Begin = Callable[[str, str], RecordCreation]
"""Project id and row id to the function that records the creation. Takes the customer's lock, if
the row has a customer: the caller has locked nothing yet."""

_begin: dict[type[Outbound], Begin] = {}


def register(model: type[Outbound], begin: Begin) -> None:
    """Call ``begin`` before a row of this model gets its Stripe id, and what it returns after."""
    _begin[model] = begin


def begin(model: type[Outbound], *, project_id: str, row_id: str) -> RecordCreation:
    """Prepare to record that Stripe has created the row's object; in the caller's transaction."""
    prepare = _begin.get(model)
    return prepare(project_id, row_id) if prepare is not None else _record_nothing


def _record_nothing(at: datetime) -> None:
    """Rows of this model have no event of their creation."""
