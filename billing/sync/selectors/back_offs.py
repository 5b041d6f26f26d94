"""Which requests of which Stripe accounts wait because the last ones failed."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, Q
from django.db.models.expressions import Combinable

from common.fair_queue import WAITS, Rule
from common.models import BackOff

RULE = Rule(queue="stripe", longest=timedelta(minutes=1))
EVERYTHING = ""
"""The subject of a back-off that stops the whole account."""


def read_of(kind: str) -> str:
    """The kind of request that reads objects of this mirrored kind."""
    return f"{kind}.read"


@dataclass(frozen=True, slots=True)
class Trouble:
    """Stripe accounts that cannot be asked for anything, and others that refuse some requests."""

    silent: int
    partly: int
    since: datetime | None


def trouble() -> Trouble:
    """With which Stripe accounts there is any, as all queues have found; one query."""
    rows = BackOff.objects.filter(queue=RULE.queue)
    found = list(rows.values_list("owner", "subject", "failing_since"))
    silent = {owner for owner, subject, _ in found if subject == EVERYTHING}
    partly = {owner for owner, _, _ in found} - silent
    return Trouble(len(silent), len(partly), min((each[2] for each in found), default=None))


def is_waiting(*, account: str, request: str | Combinable) -> Exists:
    """For a query over rows with an account: whether its requests of this kind wait.

    ``account`` and ``request`` are names of fields or annotations of the rows; a constant kind of
    request is a ``Value``.
    """
    kind = OuterRef(request) if isinstance(request, str) else request
    rows = BackOff.objects.filter(WAITS, queue=RULE.queue, owner=OuterRef(account))
    return Exists(rows.filter(Q(subject=EVERYTHING) | Q(subject=kind)))
