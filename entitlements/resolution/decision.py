"""What a customer may do, as a pure function of facts and a moment.

No database, no settings, no clock: the same facts give the same answer in any order. The rules
stand in ``docs/entitlements.md``; in short, a fact counts over ``[starts_at, ends_at)``, one
denial beats every permission, and permissions merge by the rule of the feature.

What facts alone say is the static answer: :func:`resolve`. What was used, and which credits are
left, completes it: :func:`measured` and :func:`priced`.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from entitlements.resolution import anchoring, merging
from entitlements.resolution.kinds import KINDS, MOST_GENEROUS, Value
from usage.periods import Period, Unit

ALLOW, DENY = "allow", "deny"


class Reason(StrEnum):
    """Why the answer is what it is. The list is closed; callers may switch on it."""

    ENTITLED = "entitled"
    TRIAL = "trial"
    GRACE = "grace"
    GRANTED = "granted"
    FREE_TIER = "free_tier"
    NOT_ENTITLED = "not_entitled"
    REVOKED = "revoked"
    HELD = "held"
    LIMIT_REACHED = "limit_reached"
    CREDITS_EXHAUSTED = "credits_exhausted"
    UNKNOWN_FEATURE = "unknown_feature"


ALLOWING = (Reason.ENTITLED, Reason.GRANTED, Reason.TRIAL, Reason.GRACE, Reason.FREE_TIER)
"""Reasons that a permission may have. Of several, the answer names the first in this order."""
DENYING = (Reason.REVOKED, Reason.HELD)
"""The same for denials: what a person took away, what a bank has yet to decide about."""


class Source(NamedTuple):
    """The subscription, purchase or grant that a fact follows from."""

    type: str
    id: str


class Question(NamedTuple):
    """May this user (the tenant's ``user_id`` or our ``cus_…``) use this feature?"""

    user_id: str
    feature: str


@dataclass(frozen=True, slots=True)
class Fact:
    """One reason why a customer may, or may not, do something."""

    source_type: str
    source_id: str
    effect: str
    feature: str
    value: Any
    reason: Reason
    starts_at: datetime
    ends_at: datetime | None = None
    anchored_at: datetime | None = None
    """The day and time on which its periods begin; None: as it starts."""
    part: str = ""
    """Of two things that one source gives, such as two products, which."""
    paid_until: datetime | None = None
    """Its anchored periods begin before this moment, as nothing later is paid; None: whenever."""

    @property
    def source(self) -> Source:
        return Source(self.source_type, self.source_id)

    def holds(self, at: datetime) -> bool:
        return self.starts_at <= at and (self.ends_at is None or at < self.ends_at)


@dataclass(frozen=True, slots=True)
class Definition:
    """What a feature is: everything about it that an answer depends on. It never changes."""

    code: str
    kind: str
    merge: str = MOST_GENEROUS
    meter_id: str | None = None
    period: Unit | None = None
    is_anchored: bool = False
    """Whether periods begin as the deciding source says, and not by the calendar."""


class Metering(NamedTuple):
    """Which figure a limit is held against."""

    meter_id: str
    period: Period


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer for one feature, why, and until when it is certain.

    ``valid_until`` is the next moment at which time alone may change the answer; None means
    that only a new fact can. ``used``, ``remaining`` and ``resets_at`` belong to metered features,
    ``remaining`` also to those that cost credits.
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
    """Not shown. What has to be counted before the answer is whole; see :func:`measured`."""
    metering_until: datetime | None = field(default=None, compare=False)
    """Not shown. When another window has to be counted although no fact begins or ends."""
    is_priced: bool = field(default=False, compare=False)
    """Not shown. Whether the answer is whole only with the balance; see :func:`priced`."""

    @property
    def is_whole(self) -> bool:
        """Whether facts alone say everything: nothing is counted and no credits are needed."""
        return self.metering is None and not self.is_priced

    @property
    def keepable_until(self) -> datetime | None:
        """Until when a copy of the answer is certain: ``valid_until``, or what is counted for it
        changes before."""
        return _sooner(self.valid_until, self.metering_until)


class Figures(NamedTuple):
    """What a metered answer and one that costs credits need to be whole."""

    used: int = 0
    reserved: int = 0
    balance: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """Everything that one user may do, at one version; an unknown user has no customer_id."""

    user_id: str
    customer_id: str | None
    version: int
    decisions: Mapping[str, Decision]


def resolve(
    facts: Iterable[Fact], *, definition: Definition, at: datetime, version: int = 0
) -> Decision:
    """The static answer for one feature at one moment, from all facts of a customer."""
    about = [fact for fact in facts if fact.feature == definition.code]
    return _decide(about, definition, at=at, version=version)


def resolve_all(
    facts: Iterable[Fact], *, features: Mapping[str, Definition], at: datetime, version: int = 0
) -> dict[str, Decision]:
    """As :func:`resolve` for every feature of ``features``, by code and sorted by it."""
    about: dict[str, list[Fact]] = defaultdict(list)
    for fact in facts:
        about[fact.feature].append(fact)
    return {
        code: _decide(about[code], definition, at=at, version=version)
        for code, definition in sorted(features.items())
    }


def unknown(feature: str, *, version: int = 0) -> Decision:
    """The answer about a code that the project has not defined: no, and why."""
    return Decision(
        feature=feature,
        allowed=False,
        reason=Reason.UNKNOWN_FEATURE,
        value=False,
        version=version,
    )


def measured(decision: Decision, *, used: int, reserved: int, at: datetime) -> Decision:
    """The whole answer about a metered feature: so much of the running period is used, and so much
    set aside. At the limit it is no, until the period is over. Others stay as they are."""
    if decision.metering is None:
        return decision
    resets_at = decision.metering.period.resets_at(at)
    left = None if decision.limit is None else max(decision.limit - used - reserved, 0)
    is_spent = decision.allowed and left == 0
    return replace(
        decision,
        allowed=decision.allowed and not is_spent,
        reason=Reason.LIMIT_REACHED if is_spent else decision.reason,
        used=used,
        remaining=left,
        resets_at=resets_at,
        valid_until=_sooner(decision.valid_until, resets_at),
    )


def priced(decision: Decision, *, balance: int) -> Decision:
    """The whole answer about a feature that costs credits: no when they do not pay for one use.
    ``remaining`` is for how many they do; None when it costs nothing. Others stay as they are."""
    if not decision.is_priced or not decision.allowed:
        return decision
    left = max(balance, 0) // decision.value if decision.value else None
    if left == 0:
        decision = replace(decision, allowed=False, reason=Reason.CREDITS_EXHAUSTED)
    return replace(decision, remaining=left)


def completed(decision: Decision, *, figures: Figures, at: datetime) -> Decision:
    """The whole answer: :func:`measured` or :func:`priced`, or as facts alone say it."""
    made = measured(decision, used=figures.used, reserved=figures.reserved, at=at)
    return priced(made, balance=figures.balance)


def _decide(
    about: Sequence[Fact], definition: Definition, *, at: datetime, version: int
) -> Decision:
    kind = KINDS[definition.kind]
    holding = [fact for fact in about if fact.holds(at)]
    if denials := [fact for fact in holding if fact.effect == DENY]:
        value, deciding, reason = kind.nothing, denials, _first(denials, DENYING)
    else:
        value, deciding = merging.merged(merging.offers(holding, kind), definition)
        reason = _first(deciding, ALLOWING) if kind.allows(value) else Reason.NOT_ENTITLED
    metering, metering_until = _metering(definition, () if denials else deciding, at)
    return Decision(
        feature=definition.code,
        allowed=kind.allows(value),
        reason=reason,
        value=value,
        limit=kind.limit(value),
        valid_until=_next_change(about, at),
        version=version,
        sources=tuple(sorted({fact.source for fact in deciding})),
        metering=metering,
        metering_until=metering_until,
        is_priced=definition.kind == "credits",
    )


def _metering(
    definition: Definition, deciding: Sequence[Fact], at: datetime
) -> tuple[Metering | None, datetime | None]:
    """What is counted, and until when; nothing also where periods would begin as a source says and
    there is none."""
    if definition.meter_id is None or definition.period is None:
        return None, None
    if not definition.is_anchored:
        return Metering(definition.meter_id, Period(definition.period)), None
    if not deciding:
        return None, None
    period, until = anchoring.period(deciding, definition, at=at)
    return Metering(definition.meter_id, period), until


def _first(deciding: Sequence[Fact], order: Sequence[Reason]) -> Reason:
    return min((fact.reason for fact in deciding), key=order.index)


def _next_change(about: Sequence[Fact], at: datetime) -> datetime | None:
    moments = [moment for fact in about for moment in (fact.starts_at, fact.ends_at)]
    return min((moment for moment in moments if moment is not None and at < moment), default=None)


def _sooner(one: datetime | None, other: datetime | None) -> datetime | None:
    return min((each for each in (one, other) if each is not None), default=None)
