"""What a customer may do, as a pure function of facts and a moment.

No database, no settings, no clock: the same facts give the same decision in any order. The rules
stand in ``docs/entitlements.md``: a fact counts over ``[starts_at, ends_at)``, one denial beats
every permission, and permissions merge by the rule of the feature.

:func:`resolve` gives the static decision, which follows from facts alone. :func:`apply_usage` and
:func:`apply_balance` complete it with the usage of the period and the credit balance.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple

from entitlements.resolution import anchoring, merging
from entitlements.resolution.facts import (
    ALLOWING,
    DENY,
    DENYING,
    DecisionFact,
    FeatureDefinition,
    Reason,
    Source,
)
from entitlements.resolution.kinds import KINDS, Value
from usage.periods import Period


class Question(NamedTuple):
    """May this user (the tenant's ``user_id`` or our ``cus_…``) use this feature?"""

    user_id: str
    feature: str


class Metering(NamedTuple):
    """The meter and the period whose usage the limit is compared with."""

    meter_id: str
    period: Period


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer for one feature, its reason, and until when it is certain.

    ``valid_until`` is the next moment at which time alone may change the decision; None means that
    only a new fact can. ``used``, ``remaining`` and ``resets_at`` belong to metered features,
    ``remaining`` also to features that cost credits (there in uses).
    """

    feature: str
    allowed: bool
    reason: Reason
    value: Value
    limit: int | None = None
    used: int | None = None
    remaining: int | None = None
    resets_at: datetime | None = None
    valid_until: datetime | None = None
    version: int = 0
    sources: tuple[Source, ...] = ()
    metering: Metering | None = field(default=None, compare=False)
    """Not shown. What :func:`apply_usage` needs; None for a feature that is not metered."""
    metering_until: datetime | None = field(default=None, compare=False)
    """Not shown. When another window is counted although no fact begins or ends."""
    is_priced: bool = field(default=False, compare=False)
    """Not shown. Whether :func:`apply_balance` completes the decision."""

    @property
    def is_whole(self) -> bool:
        """Whether facts alone decide: no usage and no credit balance is needed."""
        return self.metering is None and not self.is_priced

    @property
    def keepable_until(self) -> datetime | None:
        """Until when a copy of the decision is certain: the earlier of ``valid_until`` and
        ``metering_until``."""
        return _earliest(self.valid_until, self.metering_until)


class DecisionAmounts(NamedTuple):
    """The amounts that complete a static decision: units used and reserved, credits left."""

    used: int = 0
    reserved: int = 0
    balance: int = 0


@dataclass(frozen=True, slots=True)
class CustomerEntitlements:
    """Every decision about one user at one version, by feature code. Without a customer_id the
    user is unknown."""

    user_id: str
    customer_id: str | None
    version: int
    decisions: Mapping[str, Decision]


def resolve(
    facts: Iterable[DecisionFact], *, definition: FeatureDefinition, at: datetime, version: int = 0
) -> Decision:
    """The static decision for one feature at ``at``, from all facts of a customer."""
    about = [fact for fact in facts if fact.feature == definition.code]
    return _decide(about, definition, at=at, version=version)


def resolve_all(
    facts: Iterable[DecisionFact],
    *,
    features: Mapping[str, FeatureDefinition],
    at: datetime,
    version: int = 0,
) -> dict[str, Decision]:
    """Static decisions for every feature of ``features``, sorted by code."""
    about: dict[str, list[DecisionFact]] = defaultdict(list)
    for fact in facts:
        about[fact.feature].append(fact)
    return {
        code: _decide(about[code], definition, at=at, version=version)
        for code, definition in sorted(features.items())
    }


def decide_unknown_feature(feature: str, *, version: int = 0) -> Decision:
    """The denial for a code that the project has not defined."""
    return Decision(
        feature=feature,
        allowed=False,
        reason=Reason.UNKNOWN_FEATURE,
        value=False,
        version=version,
    )


def apply_usage(decision: Decision, *, used: int, reserved: int, at: datetime) -> Decision:
    """Complete the decision of a metered feature with the units used and reserved in the running
    period. At the limit it becomes a denial until the period is over. Other decisions are
    returned unchanged."""
    if decision.metering is None:
        return decision
    resets_at = decision.metering.period.resets_at(at)
    remaining = None if decision.limit is None else max(decision.limit - used - reserved, 0)
    is_spent = decision.allowed and remaining == 0
    return replace(
        decision,
        allowed=decision.allowed and not is_spent,
        reason=Reason.LIMIT_REACHED if is_spent else decision.reason,
        used=used,
        remaining=remaining,
        resets_at=resets_at,
        valid_until=_earliest(decision.valid_until, resets_at),
    )


def apply_balance(decision: Decision, *, balance: int) -> Decision:
    """Complete the decision of a feature that costs credits. Denied when the balance does not
    pay for one use. ``remaining`` is how many uses the balance pays for; None when a use costs
    nothing. Other decisions are returned unchanged."""
    if not decision.is_priced or not decision.allowed:
        return decision
    remaining = max(balance, 0) // decision.value if decision.value else None
    if remaining == 0:
        decision = replace(decision, allowed=False, reason=Reason.CREDITS_EXHAUSTED)
    return replace(decision, remaining=remaining)


def complete_decision(decision: Decision, *, amounts: DecisionAmounts, at: datetime) -> Decision:
    """The decision with its usage or credit balance; unchanged when facts alone decide."""
    measured = apply_usage(decision, used=amounts.used, reserved=amounts.reserved, at=at)
    return apply_balance(measured, balance=amounts.balance)


def _decide(
    about: Sequence[DecisionFact], definition: FeatureDefinition, *, at: datetime, version: int
) -> Decision:
    kind = KINDS[definition.kind]
    holding = [fact for fact in about if fact.holds(at)]
    if denials := [fact for fact in holding if fact.effect == DENY]:
        value, deciding, reason = kind.nothing, denials, _first_reason(denials, DENYING)
    else:
        value, deciding = merging.merge_permissions(
            merging.find_permissions(holding, kind), definition
        )
        reason = _first_reason(deciding, ALLOWING) if kind.allows(value) else Reason.NOT_ENTITLED
    metering, metering_until = _find_metering(definition, () if denials else deciding, at)
    return Decision(
        feature=definition.code,
        allowed=kind.allows(value),
        reason=reason,
        value=value,
        limit=kind.limit(value),
        valid_until=_find_next_change(about, at),
        version=version,
        sources=tuple(sorted({fact.source for fact in deciding})),
        metering=metering,
        metering_until=metering_until,
        is_priced=definition.kind == "credits",
    )


def _find_metering(
    definition: FeatureDefinition, deciding: Sequence[DecisionFact], at: datetime
) -> tuple[Metering | None, datetime | None]:
    """The metering, and until when it applies; None also for anchored periods without a deciding
    fact."""
    if definition.meter_id is None or definition.period is None:
        return None, None
    if not definition.is_anchored:
        return Metering(definition.meter_id, Period(definition.period)), None
    if not deciding:
        return None, None
    period, until = anchoring.find_period(deciding, definition, at=at)
    return Metering(definition.meter_id, period), until


def _first_reason(deciding: Sequence[DecisionFact], order: Sequence[Reason]) -> Reason:
    return min((fact.reason for fact in deciding), key=order.index)


def _find_next_change(about: Sequence[DecisionFact], at: datetime) -> datetime | None:
    moments = [moment for fact in about for moment in (fact.starts_at, fact.ends_at)]
    return min((moment for moment in moments if moment is not None and at < moment), default=None)


def _earliest(one: datetime | None, other: datetime | None) -> datetime | None:
    return min((moment for moment in (one, other) if moment is not None), default=None)
