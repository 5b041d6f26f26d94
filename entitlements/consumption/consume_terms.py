"""On what terms a metered feature is used, remembered by this process for who consumes.

What facts said is believed for longer than a check may believe it, because nothing follows from it
alone: whoever counts names the customer's version, and the statement that counts compares it with
the one in the database. What holds for everybody in a project is compared with the version of its
rules that this process has heard of within the second (``entitlements.cache.local``), as for a
check.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from entitlements.balances.selectors.figures import Answer
from entitlements.cache.local import copies
from entitlements.resolution.decision import Question

LONGEST = timedelta(seconds=30)
"""How long the terms of one who no longer consumes are worth their place."""
MOST = 20_000
"""Terms that are remembered; one more, and all are forgotten."""


class _Kept(NamedTuple):
    answer: Answer
    rules: int
    since: datetime
    until: datetime


_held: dict[tuple[str, Question], _Kept] = {}


def find(*, project_id: str, question: Question, at: datetime) -> Answer | None:
    """What facts said, if it is certain at ``at`` unless the customer has changed since."""
    kept = _held.get((project_id, question))
    if kept is None or not kept.since <= at < kept.until:
        return None
    return kept.answer if copies.rules(project_id) == kept.rules else None


def keep(
    answer: Answer, *, project_id: str, question: Question, rules: int | None, at: datetime
) -> None:
    """Remember a permission of a known customer to use a metered feature.

    ``rules``: the version that was heard of before the answer was made; None, and nothing is kept.
    """
    decision = answer.decision
    if rules is None or not decision.allowed or decision.metering is None:
        return
    if len(_held) >= MOST:
        _held.clear()
    until = min(at + LONGEST, decision.keepable_until or at + LONGEST)
    _held[project_id, question] = _Kept(answer, rules, at, until)


def forget_all() -> None:
    """Remember nothing."""
    _held.clear()
