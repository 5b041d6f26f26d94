"""What a customer may do, from the database: a fixed number of queries for any number."""

from collections.abc import Collection, Mapping
from datetime import datetime

from entitlements.balances.selectors import figures
from entitlements.balances.selectors.figures import Answer
from entitlements.decisions.selectors import current_facts as ground
from entitlements.decisions.selectors.facts_at import Sight
from entitlements.resolution import explanation
from entitlements.resolution.decision import Decision, Definition, Question, Standing
from entitlements.resolution.evaluation_context import Outlook, present
from entitlements.resolution.explanation import Explanation
from projects.models import Project


def check(*, project: Project, user_id: str, feature: str, at: datetime) -> Decision:
    """May this user use this feature? One query, and those for its figures."""
    question = Question(user_id, feature)
    return check_many(project=project, questions=[question], at=at)[question]


def check_many(
    *, project: Project, questions: Collection[Question], at: datetime
) -> dict[Question, Decision]:
    """The answers to many questions at once: as many queries for a thousand as for one."""
    answers = static_many(project=project, questions=questions, at=at)
    return figures.whole(project_id=project.pk, answers=answers, outlook=present(at))


def static_many(
    *, project: Project, questions: Collection[Question], at: datetime
) -> dict[Question, Answer]:
    """What facts alone say to many questions at once. One query, however many."""
    found = ground.read(project=project, questions=questions, at=at)
    return {each: found.answer(each) for each in questions}


def explain_many(
    *, project: Project, questions: Collection[Question], outlook: Outlook
) -> dict[Question, Explanation]:
    """The answers at another moment or with something assumed, and the way to each from the facts.
    Four queries, and those for figures."""
    sight, defined = _look(project, questions, outlook)
    return _explained(sight, {each: defined.get(each.feature) for each in questions})


def all_for(*, project: Project, user_id: str, at: datetime) -> dict[str, Decision]:
    """Every decision about one user, by feature code."""
    return dict(standing(project=project, user_id=user_id, at=at).decisions)


def standing(*, project: Project, user_id: str, at: datetime) -> Standing:
    """As :func:`all_for`, with the version that the decisions belong to."""
    sight = Sight(project=project, user_ids={user_id}, outlook=present(at))
    asked = _everything(sight, user_id)
    answers = {each: sight.answer(each, definition) for each, definition in asked.items()}
    made = figures.whole(project_id=project.pk, answers=answers, outlook=sight.outlook)
    return _standing(sight, user_id, {each.feature: decision for each, decision in made.items()})


def explained(
    *, project: Project, user_id: str, outlook: Outlook
) -> tuple[Standing, dict[str, Explanation]]:
    """As :func:`standing`, at another moment or with something assumed, and by feature code the
    way to each answer."""
    sight = Sight(project=project, user_ids={user_id}, outlook=outlook)
    found = {
        each.feature: explanation
        for each, explanation in _explained(sight, _everything(sight, user_id)).items()
    }
    made = {code: each.decision for code, each in found.items()}
    return _standing(sight, user_id, made), found


def _look(
    project: Project, questions: Collection[Question], outlook: Outlook
) -> tuple[Sight, dict[str, Definition]]:
    user_ids = {each.user_id for each in questions}
    sight = Sight(project=project, user_ids=user_ids, outlook=outlook)
    return sight, sight.defined({each.feature for each in questions})


def _everything(sight: Sight, user_id: str) -> dict[Question, Definition]:
    return {
        Question(user_id, code): definition
        for code, definition in sight.everything(user_id).items()
    }


def _explained(
    sight: Sight, asked: Mapping[Question, Definition | None]
) -> dict[Question, Explanation]:
    answers = {each: sight.answer(each, definition) for each, definition in asked.items()}
    found = figures.of(project_id=sight.project.pk, answers=answers, outlook=sight.outlook)
    return {
        each: explanation.explain(
            sight.facts(each),
            feature=each.feature,
            definition=definition,
            at=sight.outlook.at,
            version=sight.known[each.user_id].version,
            figures=found[each],
            silent=sight.known[each.user_id].silent,
        )
        for each, definition in asked.items()
    }


def _standing(sight: Sight, user_id: str, made: Mapping[str, Decision]) -> Standing:
    known = sight.known[user_id]
    return Standing(
        user_id=known.customer.user_id if known.customer else user_id,
        customer_id=known.customer_id,
        version=known.version,
        decisions=made,
    )
