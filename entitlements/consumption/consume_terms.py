"""Static decisions that this process remembers for consume.

They may be older than a check allows, because nothing follows from them alone: the statement that
counts compares the customer's version with the one in the database. The version of the project's
rules is compared with the one in ``entitlements.cache.local``, as for a check.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from entitlements.balances.selectors.amounts import StaticDecision
from entitlements.cache.local import local_cache
from entitlements.resolution.decision import Question

MAX_AGE = timedelta(seconds=30)
"""How long an unused entry is kept."""
MAX_TERMS = 20_000
"""Entries; at the next one all are dropped."""


class _RememberedTerms(NamedTuple):
    answer: StaticDecision
    rules: int
    since: datetime
    until: datetime


_terms: dict[tuple[str, Question], _RememberedTerms] = {}


def find(*, project_id: str, question: Question, at: datetime) -> StaticDecision | None:
    """The static decision, certain at ``at`` unless the customer has changed since."""
    terms = _terms.get((project_id, question))
    if terms is None or not terms.since <= at < terms.until:
        return None
    return terms.answer if local_cache.rules(project_id) == terms.rules else None


def keep(
    static: StaticDecision, *, project_id: str, question: Question, rules: int | None, at: datetime
) -> None:
    """Remember the permission of a known customer to use a metered feature.

    ``rules`` is the version of the rules from before the decision was made; with None nothing is
    kept.
    """
    decision = static.decision
    if rules is None or not decision.allowed or decision.metering is None:
        return
    if len(_terms) >= MAX_TERMS:
        _terms.clear()
    until = min(at + MAX_AGE, decision.keepable_until or at + MAX_AGE)
    _terms[project_id, question] = _RememberedTerms(static, rules, at, until)
