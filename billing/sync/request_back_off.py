"""Which Stripe accounts cannot be asked now, and for which kinds of request.

A kind of request is an operation of ``billing.stripe.writes`` (``customer.update``) or the reading
of a mirrored kind (``coupon.read``). The back-off is kept in the database, so every queue and every
process keeps to it (``common.fair_queue``):

* A key without a permission and an error inside Stripe stop one kind of request of the account.
* No answer stops the kind too; once a second kind of the account gets none, the whole account.
* A key that opens nothing and "too many requests" stop the account.

When a pause is over, one request is sent; the first answer ends the back-off.
"""

from datetime import timedelta
from functools import cached_property

from django.db.models import Case, Value, When

from billing.stripe.errors import (
    StripeBusy,
    StripeCredentialsRefused,
    StripeMalformed,
    StripeNotAsked,
    StripePermissionMissing,
    StripeUnavailable,
)
from billing.sync.selectors.back_offs import EVERYTHING, RULE
from common import fair_queue
from common.errors import DomainError
from common.fair_queue import WAITS
from common.models import BackOff

SILENT_KINDS = 2
"""So many kinds of request without an answer stop the whole account."""

REFUSED = (StripeUnavailable, StripeCredentialsRefused)
"""Errors that say nothing about the object that was asked for."""


class RequestBackOff:
    """What one run of a queue knows about it: what the database says at the start of the run, and
    what happens in the run."""

    @cached_property
    def _failing(self) -> dict[tuple[str, str], str]:
        """Account and kind of request to the code of its last error."""
        return {(owner, kind): code for owner, kind, code, _ in self._rows}

    @cached_property
    def _waiting(self) -> set[tuple[str, str]]:
        return {(owner, kind) for owner, kind, _, waits in self._rows if waits}

    @cached_property
    def _rows(self) -> list[tuple[str, str, str, bool]]:
        """Read when something is to be asked: a run that finds nothing to do asks for nothing."""
        waits = Case(When(WAITS, then=Value(True)), default=Value(False))
        rows = BackOff.objects.filter(queue=RULE.queue).annotate(waits=waits)
        return list(rows.values_list("owner", "subject", "code", "waits"))

    def is_waiting(self, account_id: str, kind: str) -> bool:
        """Whether this kind of request must not be sent now."""
        return not self._waiting.isdisjoint({(account_id, EVERYTHING), (account_id, kind)})

    def is_failing(self, account_id: str, kind: str) -> bool:
        """Whether the last such request failed, however long ago: send one, then the others."""
        return (account_id, EVERYTHING) in self._failing or (account_id, kind) in self._failing

    def failed(self, account_id: str, kind: str, error: DomainError) -> None:
        """Stop this kind of request of the account, or the account."""
        pause = timedelta(seconds=error.retry_after or 0)
        self._stop(account_id, kind, error, pause)
        if _is_of_account(error) or self._is_silent(account_id, error):
            self._stop(account_id, EVERYTHING, error, pause)

    def stops_for(self, account_id: str, kind: str, error: Exception | None) -> bool:
        """Whether the error is the account's trouble, which stops such requests. If not, it is that
        of the row in hand."""
        if not isinstance(error, DomainError) or not self.is_of_account(error):
            return False
        self.failed(account_id, kind, error)
        return True

    @staticmethod
    def is_of_account(error: DomainError) -> bool:
        """Whether it says something about the account, and nothing about what was asked for."""
        return isinstance(error, REFUSED) and not isinstance(
            error, StripeNotAsked | StripeMalformed
        )

    def answered(self, account_id: str, kind: str) -> None:
        """Stripe did, or refused, what such a request asked for: both are answers."""
        subjects = [each for each in (EVERYTHING, kind) if (account_id, each) in self._failing]
        if subjects:
            fair_queue.succeed(RULE, owner=account_id, subjects=subjects)
            for each in subjects:
                del self._failing[account_id, each]
                self._waiting.discard((account_id, each))

    def _stop(self, account_id: str, kind: str, error: DomainError, pause: timedelta) -> None:
        fair_queue.fail(RULE, owner=account_id, subject=kind, error=error, at_least=pause)
        self._failing[account_id, kind] = error.code
        self._waiting.add((account_id, kind))

    def _is_silent(self, account_id: str, error: DomainError) -> bool:
        if not isinstance(error, StripeUnavailable):
            return False
        silent = [
            kind
            for (owner, kind), code in self._failing.items()
            if owner == account_id and kind != EVERYTHING and code == error.code
        ]
        return len(silent) >= SILENT_KINDS


def _is_of_account(error: DomainError) -> bool:
    if isinstance(error, StripePermissionMissing):
        return False
    return isinstance(error, StripeCredentialsRefused | StripeBusy)
