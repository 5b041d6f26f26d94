"""What a customer may do now, from the database: a fixed number of queries for any number."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from entitlements import resolution
from entitlements.models import Fact
from entitlements.resolution import Decision, Question, Standing
from entitlements.selectors import facts as stored
from entitlements.selectors import features
from projects.models import Customer, Project
from projects.selectors import customers


def check(*, project: Project, user_id: str, feature: str, at: datetime) -> Decision:
    """May this user use this feature? Three queries."""
    question = Question(user_id, feature)
    return check_many(project=project, questions=[question], at=at)[question]


def check_many(
    *, project: Project, questions: Collection[Question], at: datetime
) -> dict[Question, Decision]:
    """The answers to many questions at once. Three queries, however many."""
    kinds = features.kinds(project=project, codes={each.feature for each in questions})
    known = _know(project, {each.user_id for each in questions})
    return {each: known[each.user_id].decide(each.feature, kinds, at) for each in questions}


def all_for(*, project: Project, user_id: str, at: datetime) -> dict[str, Decision]:
    """Every decision about one user, by feature code. Three queries."""
    return dict(standing(project=project, user_id=user_id, at=at).decisions)


def standing(*, project: Project, user_id: str, at: datetime) -> Standing:
    """As :func:`all_for`, with the version that the decisions belong to."""
    kinds = features.live_kinds(project=project)
    user = _know(project, {user_id})[user_id]
    return Standing(
        user_id=user.customer.user_id if user.customer else user_id,
        customer_id=user.customer.pk if user.customer else None,
        version=user.version,
        decisions=resolution.resolve_all(
            stored.known(user.rows),
            features=kinds | stored.kinds(user.rows),
            at=at,
            version=user.version,
        ),
    )


class _Known(NamedTuple):
    """One user, the rows that count, and the version that exactly these rows make."""

    customer: Customer | None = None
    rows: Sequence[Fact] = ()
    version: int = 0

    def decide(self, feature: str, kinds: Mapping[str, str], at: datetime) -> Decision:
        if feature not in kinds:
            return resolution.unknown(feature, version=self.version)
        facts = stored.known(self.rows)
        return resolution.resolve(
            facts, feature=feature, kind=kinds[feature], at=at, version=self.version
        )


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
