"""What can be used up: a metered feature, or one that costs credits, and who would use it."""

from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from django.db import transaction

from common.ids import is_id
from entitlements.models.feature import FeatureKind
from entitlements.outlook import present
from entitlements.resolution import Decision, Question, Reason, measured, priced
from entitlements.selectors import features, figures
from entitlements.selectors.figures import Answer
from entitlements.services import checks
from projects.models import Project
from projects.services import customers
from usage import cache
from usage.errors import NotConsumable
from usage.services.counting import Outcome

KINDS = (FeatureKind.METERED, FeatureKind.CREDITS)


class Consumable(NamedTuple):
    """A feature for a user. ``decision`` is what facts alone say of it."""

    project_id: str
    customer_id: str | None
    """None for a user whom nobody knows and who may not use it."""
    names: frozenset[str]
    """By what the user can be asked for."""
    decision: Decision


def find(*, project: Project, user_id: str, feature: str, at: datetime) -> Consumable:
    """The feature for this user, who is made if they may use it and nobody knows them yet.

    Raises NotConsumable for a feature of another kind, CustomerDeleted.
    """
    question = Question(user_id, feature)
    customer_id, decision = checks.static(project=project, question=question, at=at)
    if decision.is_whole and decision.reason != Reason.UNKNOWN_FEATURE:
        _insist_on_kind(project, feature)
    if decision.allowed and (customer_id is None or is_id(user_id, "cus")):
        customer = customers.ensure(project=project, user_id=user_id, at=at)
        names = frozenset((customer.user_id, customer.pk))
        return Consumable(project.pk, customer.pk, names, decision)
    names = frozenset((user_id, customer_id or user_id))
    return Consumable(project.pk, customer_id, names, decision)


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
