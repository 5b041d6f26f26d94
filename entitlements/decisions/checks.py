"""Answer from the cache, and from the database what the cache does not know."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from entitlements import representation
from entitlements.balances.selectors import figures
from entitlements.balances.selectors.figures import Answer
from entitlements.cache import partial as statics
from entitlements.cache import service as cache
from entitlements.cache.codec import Entry
from entitlements.cache.local import copies
from entitlements.decisions.selectors import current_facts as ground
from entitlements.decisions.selectors import decisions
from entitlements.representation import ExplainedBody
from entitlements.resolution.decision import Decision, Question, Reason
from entitlements.resolution.evaluation_context import Outlook, present
from projects.models import Project


def answer(
    *, project: Project, questions: Collection[Question], at: datetime
) -> dict[Question, bytes]:
    """Each question's decision as JSON, ready to be sent, certain at ``at``.

    No query when all answers are kept. What depends on figures is at most two seconds old. An
    unknown feature is not kept: a feature that is defined answers at once. Not to be called in a
    transaction that changes facts: what is not committed must not be kept.
    """
    questions = set(questions)
    found = cache.find(project_id=project.pk, questions=questions, at=at)
    if len(found.ready) == len(questions):
        return found.ready
    answers, entries = _static(project, questions, found, at)
    ready = {question: each.body for question, each in entries.items() if each.is_whole}
    unready = {question: each for question, each in answers.items() if question not in ready}
    if unready:
        made = figures.whole(project_id=project.pk, answers=unready, outlook=present(at))
        _keep_figures(project, unready, entries, made, at)
        ready |= {question: representation.encoded(each) for question, each in made.items()}
    return found.ready | ready


def static(*, project: Project, question: Question, at: datetime) -> Answer:
    """What facts alone say, and about whom. No query when it is kept and needs figures."""
    entry = cache.find_static(project_id=project.pk, question=question, at=at)
    if entry is not None:
        return statics.decoded(entry.body)
    return _static(project, [question], cache.Found(), at)[0][question]


def foresee(
    *, project: Project, questions: Sequence[Question], outlook: Outlook, explain: bool
) -> dict[Question, ExplainedBody]:
    """Each question's decision as it is shown, from that outlook: of another moment, with something
    assumed, or explained. Never from the cache."""
    found = decisions.explain_many(project=project, questions=questions, outlook=outlook)
    if explain:
        return {question: representation.explained(each) for question, each in found.items()}
    return {question: representation.unexplained(each.decision) for question, each in found.items()}


def _static(
    project: Project, questions: Collection[Question], found: cache.Found, at: datetime
) -> tuple[dict[Question, Answer], dict[Question, Entry]]:
    """What facts say to the questions that are not ready, and as what it is kept."""
    entries = {
        question: entry for question, entry in found.static.items() if question not in found.ready
    }
    answers = {question: statics.decoded(entry.body) for question, entry in entries.items()}
    missing = {each for each in questions if each not in found.ready and each not in answers}
    if missing:
        begun = copies.begin()
        said = ground.read(project=project, questions=missing, at=at)
        made = {each: said.answer(each) for each in missing}
        keepable = {question: each for question, each in made.items() if _is_keepable(each)}
        entries |= cache.keep(
            project_id=project.pk, answers=keepable, rules=said.rules, at=at, begun=begun
        )
        answers |= made
    return answers, entries


def _is_keepable(answer: Answer) -> bool:
    """Not what a definition changes, nor figures of somebody who is not known yet: no tombstone
    tells of either."""
    if answer.decision.reason == Reason.UNKNOWN_FEATURE:
        return False
    return answer.decision.is_whole or answer.customer_id is not None


def _keep_figures(
    project: Project,
    answers: Mapping[Question, Answer],
    entries: Mapping[Question, Entry],
    made: Mapping[Question, Decision],
    at: datetime,
) -> None:
    whole = {
        question: (entries[question], made[question])
        for question, each in answers.items()
        if question in entries and not each.decision.is_whole
    }
    cache.keep_figures(project_id=project.pk, answers=whole, at=at)
