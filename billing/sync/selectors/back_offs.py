"""Back-offs of requests to Stripe (``billing.sync.request_back_off``)."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Exists, OuterRef, Q
from django.db.models.expressions import Combinable

from common.fair_queue import IS_BACKING_OFF, RetryRule
from common.models import BackOff

RULE = RetryRule(queue="stripe", longest=timedelta(minutes=1))
WHOLE_ACCOUNT = ""
"""The subject of a back-off that stops the whole account."""


def read_request(kind: str) -> str:
    """The kind of request that reads objects of a mirrored kind."""
    return f"{kind}.read"


@dataclass(frozen=True, slots=True)
class AccountFailures:
    """``silent``: accounts that answer no request; ``partly``: others that refuse some requests."""

    silent: int
    partly: int
    since: datetime | None


def count_failing_accounts() -> AccountFailures:
    """Count the Stripe accounts that back off, in one query."""
    rows = BackOff.objects.filter(queue=RULE.queue)
    failures = list(rows.values_list("owner", "subject", "failing_since"))
    silent = {owner for owner, subject, _ in failures if subject == WHOLE_ACCOUNT}
    partly = {owner for owner, _, _ in failures} - silent
    return AccountFailures(
        len(silent), len(partly), min((failure[2] for failure in failures), default=None)
    )


def accounts_by_code() -> dict[str, int]:
    """Number of Stripe accounts that back off, by the code of their last error; one query."""
    rows = BackOff.objects.filter(queue=RULE.queue).values("code")
    return dict(rows.annotate(n=Count("owner", distinct=True)).values_list("code", "n"))


def is_backing_off(*, account: str, request: str | Combinable) -> Exists:
    """Condition of rows with an account that does not answer this kind of request now.

    ``account`` and ``request`` are names of fields or annotations of these rows; a constant kind of
    request is a ``Value``.
    """
    kind = OuterRef(request) if isinstance(request, str) else request
    rows = BackOff.objects.filter(IS_BACKING_OFF, queue=RULE.queue, owner=OuterRef(account))
    return Exists(rows.filter(Q(subject=WHOLE_ACCOUNT) | Q(subject=kind)))
