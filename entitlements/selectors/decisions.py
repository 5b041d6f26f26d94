"""What a customer may do now, from the database: a fixed number of queries for any number."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from entitlements import resolution
from entitlements.models import Fact
from entitlements.resolution import Decision
from entitlements.selectors import facts as stored
from entitlements.selectors import features
from projects.models import Customer, Project
from projects.selectors import customers


@dataclass(frozen=True, slots=True)
class Standing:
    """Everything that one user may do, at one version. An unknown user has version 0."""

    user_id: str
    version: int
    decisions: Mapping[str, Decision]


def check(*, project: Project, user_id: str, feature: str, at: datetime) -> Decision:
    """May this user use this feature? Three queries."""
    question = (user_id, feature)
    return check_many(project=project, questions=[question], at=at)[question]


def check_many(
    *, project: Project, questions: Collection[tuple[str, str]], at: datetime
) -> dict[tuple[str, str], Decision]:
    """The answers to many (user_id, feature) at once. Three queries, however many."""
    kinds = features.kinds(project=project, codes={feature for _, feature in questions})
    known = _standing_facts(project, {user_id for user_id, _ in questions})
    return {
        (user_id, feature): _decide(*known[user_id], feature=feature, kinds=kinds, at=at)
        for user_id, feature in questions
    }


def all_for(*, project: Project, user_id: str, at: datetime) -> dict[str, Decision]:
    """Every decision about one user, by feature code. Three queries."""
    return dict(standing(project=project, user_id=user_id, at=at).decisions)


def standing(*, project: Project, user_id: str, at: datetime) -> Standing:
    """As :func:`all_for`, with the version that the decisions belong to."""
    kinds = features.live_kinds(project=project)
    rows, version = _standing_facts(project, {user_id})[user_id]
    return Standing(
        user_id=user_id,
        version=version,
        decisions=resolution.resolve_all(
            stored.known(rows), features=kinds | stored.kinds(rows), at=at, version=version
        ),
    )


def _standing_facts(
    project: Project, user_ids: Collection[str]
) -> dict[str, tuple[Sequence[Fact], int]]:
    """For each user the rows that count and the version that exactly they make."""
    found = customers.find_many(project=project, user_ids=user_ids)
    rows = stored.current_of_many(
        project=project, customer_ids={customer.pk for customer in found.values()}
    )
    standing: dict[str, tuple[Sequence[Fact], int]] = dict.fromkeys(user_ids, ((), 0))
    for user_id, customer in found.items():
        current = rows.get(customer.pk, ())
        # The customer was read a moment before the rows; the rows know their own version.
        version = current[0].customer_version if current else customer.version
        standing[user_id] = (current, version)
    return standing


def _decide(
    rows: Sequence[Fact],
    version: int,
    *,
    feature: str,
    kinds: Mapping[str, str],
    at: datetime,
) -> Decision:
    if feature not in kinds:
        return resolution.unknown(feature, version=version)
    return resolution.resolve(
        stored.known(rows), feature=feature, kind=kinds[feature], at=at, version=version
    )
