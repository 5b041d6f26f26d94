"""Answer from the cache, and from the database what the cache does not know."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from entitlements import cache, representation
from entitlements.explanation import Explanation
from entitlements.outlook import Outlook
from entitlements.resolution import Question, Reason
from entitlements.selectors import decisions
from projects.models import Project


def answer(
    *, project: Project, questions: Sequence[Question], at: datetime
) -> dict[Question, dict[str, Any]]:
    """Each question's decision as it is shown, certain at ``at``.

    No query when all answers are kept. An unknown feature is not kept: a
    feature that is defined answers at once. Not to be called in a transaction that changes
    facts: what is not committed must not be kept.
    """
    found = cache.find(project_id=project.pk, questions=questions, at=at)
    missing = [question for question in questions if question not in found]
    if not missing:
        return found
    made = decisions.check_many(project=project, questions=missing, at=at)
    keepable = {
        question: decision
        for question, decision in made.items()
        if decision.reason != Reason.UNKNOWN_FEATURE and decision.is_whole
    }
    cache.keep(project_id=project.pk, answers=keepable, at=at)
    return found | {question: representation.decision(each) for question, each in made.items()}


def foresee(
    *, project: Project, questions: Sequence[Question], outlook: Outlook, explain: bool
) -> dict[Question, dict[str, Any]]:
    """Each question's decision as it is shown, from that outlook: of another moment, with something
    assumed, or explained. Never from the cache."""
    found = decisions.explain_many(project=project, questions=questions, outlook=outlook)
    show = representation.explained if explain else _answer_alone
    return {question: show(each) for question, each in found.items()}


def _answer_alone(of: Explanation) -> dict[str, Any]:
    return representation.decision(of.decision)
