"""What can be used up: a metered feature, or one that costs credits, and who would use it."""

from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from django.db import transaction

from common.ids import is_id
from entitlements.balances.selectors import figures
from entitlements.balances.selectors.figures import Answer
from entitlements.cache.local import copies
from entitlements.consumption import consume_terms as terms
from entitlements.decisions import checks
from entitlements.decisions.selectors import current_facts as ground
from entitlements.features.selectors import features
from entitlements.models.feature import FeatureKind
from entitlements.resolution.decision import Decision, Question, Reason, measured, priced
from entitlements.resolution.evaluation_context import present
from projects.customers import service as customers
from projects.models import Project
from usage.errors import NotConsumable
from usage.totals import cache
from usage.totals.counting import Outcome

KINDS = (FeatureKind.METERED, FeatureKind.CREDITS)


class Consumable(NamedTuple):
    """A feature for a user. ``decision`` is what facts alone say of it."""

    project_id: str
    customer_id: str | None
    """None for a user whom nobody knows and who may not use it."""
    names: frozenset[str]
    """By what the user can be asked for."""
    decision: Decision


def find(
    *, project: Project, user_id: str, feature: str, at: datetime, anew: bool = False
) -> Consumable:
    """The feature for this user, who is made if they may use it and nobody knows them yet.

    ``anew``: from the database, whatever is kept. Raises NotConsumable for a feature
    of another kind, CustomerDeleted.
    """
    question = Question(user_id, feature)
    rules = copies.rules(project.pk)
    if anew:
        answer = ground.read(project=project, questions=[question], at=at).answer(question)
    else:
        answer = checks.static(project=project, question=question, at=at)
    customer_id, decision = answer
    if decision.is_whole and decision.reason != Reason.UNKNOWN_FEATURE:
        _insist_on_kind(project, feature)
    if decision.allowed and (customer_id is None or is_id(user_id, "cus")):
        customer = customers.ensure(project=project, user_id=user_id, at=at)
        names = frozenset((customer.user_id, customer.pk))
        return Consumable(project.pk, customer.pk, names, decision)
    if customer_id is not None:
        terms.keep(answer, project_id=project.pk, question=question, rules=rules, at=at)
    names = frozenset((user_id, customer_id or user_id))
    return Consumable(project.pk, customer_id, names, decision)


def recall(*, project_id: str, user_id: str, feature: str, at: datetime) -> Consumable | None:
    """As :func:`find` found it last, when it still stands unless the customer has changed since:
    for who compares the customer's version with the decision's. No query, no round trip."""
    question = Question(user_id, feature)
    answer = terms.find(project_id=project_id, question=question, at=at)
    if answer is None or answer.customer_id is None:
        return None
    names = frozenset((user_id, answer.customer_id))
    return Consumable(project_id, answer.customer_id, names, answer.decision)


def standing(of: Consumable, at: datetime) -> Decision:
    """The whole decision, with its figures as they are now."""
    answers = {None: Answer(of.customer_id, of.decision)}
    return figures.whole(project_id=of.project_id, answers=answers, outlook=present(at))[None]


def counted(decision: Decision, outcome: Outcome, *, at: datetime) -> Decision:
    """The decision about a use of a metered feature, with the figures after it."""
    moment = max(at, outcome.window.starts_at)
    whole = measured(decision, used=outcome.used, reserved=outcome.reserved, at=moment)
    reason = decision.reason if outcome.is_done else Reason.LIMIT_REACHED
    return replace(whole, allowed=outcome.is_done, reason=reason)


def paid(decision: Decision, *, balance: int) -> Decision:
    """The decision about a use that was paid for with credits, and the balance after it."""
    return replace(priced(decision, balance=balance), allowed=True, reason=decision.reason)


def unpaid(decision: Decision, *, balance: int) -> Decision:
    """The decision about a use for which there are not enough credits."""
    whole = priced(decision, balance=balance)
    return replace(whole, allowed=False, reason=Reason.CREDITS_EXHAUSTED)


def forget(of: Consumable) -> None:
    """Answers that were kept about the user's figures are none any more, once this commits."""
    transaction.on_commit(
        lambda: cache.forget(project_id=of.project_id, names=of.names), robust=True
    )


def _insist_on_kind(project: Project, code: str) -> None:
    kind = features.get(project=project, code=code).kind
    if kind not in KINDS:
        raise NotConsumable(
            f"{code} is a {kind} feature, and only metered ones and those that cost credits are "
            "used up. Ask GET /entitlements/check."
        )
