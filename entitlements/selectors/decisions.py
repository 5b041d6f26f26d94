"""What a customer may do now, from the database: a fixed number of queries for any number."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from entitlements import resolution
from entitlements.models import Fact
from entitlements.resolution import Decision, Definition, Question, Standing
from entitlements.resolution import Fact as Known
from entitlements.selectors import facts as stored
from entitlements.selectors import features, free_tier
from projects.models import Customer, Project
from projects.selectors import customers


class Answer(NamedTuple):
    """What facts alone say, and about which customer; None for a user that we do not know."""

    customer_id: str | None
    decision: Decision


def check(*, project: Project, user_id: str, feature: str, at: datetime) -> Decision:
    """May this user use this feature? Four queries, and what its figures cost."""
    question = Question(user_id, feature)
    return check_many(project=project, questions=[question], at=at)[question]


def check_many(
    *, project: Project, questions: Collection[Question], at: datetime
) -> dict[Question, Decision]:
    """The answers to many questions at once. As many queries for a thousand as for one."""
    answers = static_many(project=project, questions=questions, at=at)
    return {question: answer.decision for question, answer in answers.items()}


def static_many(
    *, project: Project, questions: Collection[Question], at: datetime
) -> dict[Question, Answer]:
    """What facts alone say to many questions at once. Four queries, however many."""
    defined = features.definitions(project=project, codes={each.feature for each in questions})
    everybody = free_tier.facts(free_tier.entries(project=project, at=at), at=at)
    known = _know(project, {each.user_id for each in questions})
    return {
        each: known[each.user_id].answer(each.feature, defined, everybody, at) for each in questions
    }


def all_for(*, project: Project, user_id: str, at: datetime) -> dict[str, Decision]:
    """Every decision about one user, by feature code. Four queries."""
    return dict(standing(project=project, user_id=user_id, at=at).decisions)


def standing(*, project: Project, user_id: str, at: datetime) -> Standing:
    """As :func:`all_for`, with the version that the decisions belong to."""
    live = features.live_definitions(project=project)
    everybody = free_tier.entries(project=project, at=at)
    user = _know(project, {user_id})[user_id]
    return Standing(
        user_id=user.customer.user_id if user.customer else user_id,
        customer_id=user.customer.pk if user.customer else None,
        version=user.version,
        decisions=resolution.resolve_all(
            [*stored.known(user.rows), *free_tier.facts(everybody, at=at)],
            features=live | free_tier.definitions(everybody) | stored.definitions(user.rows),
            at=at,
            version=user.version,
        ),
    )


class _Known(NamedTuple):
    """One user, the rows that count, and the version that exactly these rows make."""

    customer: Customer | None = None
    rows: Sequence[Fact] = ()
    version: int = 0

    def answer(
        self,
        feature: str,
        defined: Mapping[str, Definition],
        everybody: Sequence[Known],
        at: datetime,
    ) -> Answer:
        customer_id = self.customer.pk if self.customer else None
        return Answer(customer_id, self._decide(feature, defined, everybody, at))

    def _decide(
        self,
        feature: str,
        defined: Mapping[str, Definition],
        everybody: Sequence[Known],
        at: datetime,
    ) -> Decision:
        if feature not in defined:
            return resolution.unknown(feature, version=self.version)
        facts = [*stored.known(self.rows), *everybody]
        return resolution.resolve(facts, definition=defined[feature], at=at, version=self.version)


def _know(project: Project, user_ids: Collection[str]) -> dict[str, _Known]:
    found = customers.find_many(project=project, user_ids=user_ids)
    ids = {customer.pk for customer in found.values()}
    rows = stored.current_of_many(project=project, customer_ids=ids)
    known = dict.fromkeys(user_ids, _Known())
    for user_id, customer in found.items():
        # The customer was read a moment before its rows; these know the version that they make.
        said = rows.get(customer.pk)
        known[user_id] = _Known(customer, *said) if said else _Known(customer, (), customer.version)
    return known
