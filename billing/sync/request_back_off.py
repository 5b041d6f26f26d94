"""Back-off of requests to Stripe: which accounts, and which kinds of request, are not sent now.

A kind of request is an operation of ``billing.stripe.writes`` (``customer.update``) or the read of
a mirrored kind (``coupon.read``). The back-off is stored in the database, so every queue and every
process obeys it (``common.fair_queue``):

* A key without a permission and an error inside Stripe stop one kind of request of the account.
* No answer stops that kind, too; no answer to a second kind stops the whole account.
* A key that Stripe does not accept and "too many requests" stop the whole account.

After a pause one request is sent; the first answer ends the back-off.
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
from billing.sync.selectors.back_offs import RULE, WHOLE_ACCOUNT
from common import fair_queue
from common.errors import DomainError
from common.fair_queue import IS_BACKING_OFF
from common.models import BackOff
from common.prepared_queries import PreparedValues

SILENT_KINDS = 2
"""Kinds of request without an answer that stop the whole account."""

_BACK_OFFS = PreparedValues(
    lambda: (
        BackOff.objects.filter(queue=RULE.queue)
        .annotate(waits=Case(When(IS_BACKING_OFF, then=Value(True)), default=Value(False)))
        .values_list("owner", "subject", "code", "waits")
    )
)

REFUSED = (StripeUnavailable, StripeCredentialsRefused)
"""Errors that say nothing about the object of the request."""


class RequestBackOff:
    """The back-offs that one run of a queue knows: those in the database at its first request, and
    those of its own requests."""

    @cached_property
    def _failing(self) -> dict[tuple[str, str], str]:
        """Account and kind of request to the code of its last error."""
        return {(owner, kind): code for owner, kind, code, _ in self._rows}

    @cached_property
    def _waiting(self) -> set[tuple[str, str]]:
        return {(owner, kind) for owner, kind, _, waits in self._rows if waits}

    @cached_property
    def _rows(self) -> list[tuple[str, str, str, bool]]:
        """Read before the first request, so that a run without work makes no query."""
        return [(owner, kind, code, waits) for owner, kind, code, waits in _BACK_OFFS.rows()]

    def is_backing_off(self, account_id: str, kind: str) -> bool:
        """Whether this kind of request of the account must not be sent now."""
        return not self._waiting.isdisjoint({(account_id, WHOLE_ACCOUNT), (account_id, kind)})

    def has_failed(self, account_id: str, kind: str) -> bool:
        """Whether the last such request failed, however long ago: send one before the others."""
        return (account_id, WHOLE_ACCOUNT) in self._failing or (account_id, kind) in self._failing

    def record_failure(self, account_id: str, kind: str, error: DomainError) -> None:
        """Stop this kind of request of the account, or the account."""
        pause = timedelta(seconds=error.retry_after or 0)
        self._stop(account_id, kind, error, pause)
        if _is_of_account(error) or self._is_silent(account_id, error):
            self._stop(account_id, WHOLE_ACCOUNT, error, pause)

    def stops_for(self, account_id: str, kind: str, error: Exception | None) -> bool:
        """Whether the error concerns the account; if so, stop such requests of it. Any other error
        concerns only the row of the request."""
        if not isinstance(error, DomainError) or not self.is_of_account(error):
            return False
        self.record_failure(account_id, kind, error)
        return True

    @staticmethod
    def is_of_account(error: DomainError) -> bool:
        """Whether the error says something about the account, and nothing about the object."""
        return isinstance(error, REFUSED) and not isinstance(
            error, StripeNotAsked | StripeMalformed
        )

    def record_answer(self, account_id: str, kind: str) -> None:
        """End the back-off, because Stripe has carried out or refused such a request."""
        subjects = [each for each in (WHOLE_ACCOUNT, kind) if (account_id, each) in self._failing]
        if subjects:
            fair_queue.record_success(RULE, owner=account_id, subjects=subjects)
            for each in subjects:
                del self._failing[account_id, each]
                self._waiting.discard((account_id, each))

    def _stop(self, account_id: str, kind: str, error: DomainError, pause: timedelta) -> None:
        fair_queue.record_failure(RULE, owner=account_id, subject=kind, error=error, at_least=pause)
        self._failing[account_id, kind] = error.code
        self._waiting.add((account_id, kind))

    def _is_silent(self, account_id: str, error: DomainError) -> bool:
        if not isinstance(error, StripeUnavailable):
            return False
        silent = [
            kind
            for (owner, kind), code in self._failing.items()
            if owner == account_id and kind != WHOLE_ACCOUNT and code == error.code
        ]
        return len(silent) >= SILENT_KINDS


def _is_of_account(error: DomainError) -> bool:
    if isinstance(error, StripePermissionMissing):
        return False
    return isinstance(error, StripeCredentialsRefused | StripeBusy)
