"""A feature that a user can consume (metered, or priced in credits), with its static decision."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import NamedTuple

from common.after_commit import after_commit
from common.ids import is_id
from entitlements.balances.selectors import amounts
from entitlements.balances.selectors.amounts import StaticDecision
from entitlements.cache.local import local_cache
from entitlements.consumption import consume_terms
from entitlements.decisions import checks
from entitlements.decisions.selectors import current_facts
from entitlements.features.selectors import features
from entitlements.models.feature import FeatureKind
from entitlements.resolution.decision import Decision, Question, apply_balance, apply_usage
from entitlements.resolution.evaluation_context import build_context
from entitlements.resolution.facts import Reason
from projects.customers import service as customers
from projects.models import Project
from usage.errors import NotConsumable
from usage.totals import cache
from usage.totals.counting import CountResult

CONSUMABLE_KINDS = (FeatureKind.METERED, FeatureKind.CREDITS)


class Consumable(NamedTuple):
    """A consumable feature for one user. ``decision`` is the static decision."""

    project_id: str
    customer_id: str | None
    """None for an unknown user whose decision is a denial."""
    names: frozenset[str]
    """The user_id and ``cus_…`` under which the user's decisions are cached."""
    decision: Decision


def find(
    *, project: Project, user_id: str, feature: str, at: datetime, bypass_cache: bool = False
) -> Consumable:
    """The feature for this user; the customer is created when an unknown user is allowed.

    ``bypass_cache`` reads the facts from the database. Raises NotConsumable for a feature of
    another kind, CustomerDeleted.
    """
    question = Question(user_id, feature)
    rules_version = local_cache.rules(project.pk)
    if bypass_cache:
        static = current_facts.read(project=project, questions=[question], at=at).decide(question)
    else:
        static = checks.find_static_decision(project=project, question=question, at=at)
    customer_id, decision = static
    if decision.is_whole and decision.reason != Reason.UNKNOWN_FEATURE:
        _check_kind(project, feature)
    if decision.allowed and (customer_id is None or is_id(user_id, "cus")):
        customer = customers.ensure(project=project, user_id=user_id, at=at)
        names = frozenset((customer.user_id, customer.pk))
        return Consumable(project.pk, customer.pk, names, decision)
    if customer_id is not None:
        consume_terms.keep(
            static, project_id=project.pk, question=question, rules=rules_version, at=at
        )
    names = frozenset((user_id, customer_id or user_id))
    return Consumable(project.pk, customer_id, names, decision)


def find_remembered(
    *, project_id: str, user_id: str, feature: str, at: datetime
) -> Consumable | None:
    """The last result of :func:`find` in this process, for callers that compare the customer's
    version in the statement that counts. No query, no round trip."""
    question = Question(user_id, feature)
    static = consume_terms.find(project_id=project_id, question=question, at=at)
    if static is None or static.customer_id is None:
        return None
    names = frozenset((user_id, static.customer_id))
    return Consumable(project_id, static.customer_id, names, static.decision)


def read_decision(consumable: Consumable, at: datetime) -> Decision:
    """The complete decision, with its current amounts."""
    static_decisions = {None: StaticDecision(consumable.customer_id, consumable.decision)}
    return amounts.complete_decisions(
        project_id=consumable.project_id,
        static_decisions=static_decisions,
        context=build_context(at),
    )[None]


def build_counted_decision(decision: Decision, outcome: CountResult, *, at: datetime) -> Decision:
    """The decision about a use of a metered feature, with the usage after it."""
    moment = max(at, outcome.window.starts_at)
    completed = apply_usage(decision, used=outcome.used, reserved=outcome.reserved, at=moment)
    reason = decision.reason if outcome.is_done else Reason.LIMIT_REACHED
    return replace(completed, allowed=outcome.is_done, reason=reason)


def build_paid_decision(decision: Decision, *, balance: int) -> Decision:
    """The decision about a use that was paid with credits, with the balance after it."""
    return replace(apply_balance(decision, balance=balance), allowed=True, reason=decision.reason)


def build_unpaid_decision(decision: Decision, *, balance: int) -> Decision:
    """The denial for a use that the balance does not pay."""
    completed = apply_balance(decision, balance=balance)
    return replace(completed, allowed=False, reason=Reason.CREDITS_EXHAUSTED)


def forget_cached_decisions(consumed: Sequence[Consumable]) -> None:
    """Drop the users' cached completed decisions once the transaction commits."""
    names: dict[str, set[str]] = {}
    for consumable in consumed:
        names.setdefault(consumable.project_id, set()).update(consumable.names)
    for project_id, of_project in names.items():
        after_commit(partial(cache.forget, project_id=project_id, names=of_project))


def _check_kind(project: Project, code: str) -> None:
    kind = features.get(project=project, code=code).kind
    if kind not in CONSUMABLE_KINDS:
        raise NotConsumable(
            f"{code} is a {kind} feature, and only metered ones and those that cost credits are "
            "used up. Ask GET /entitlements/check."
        )
