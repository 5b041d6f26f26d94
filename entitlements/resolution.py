"""What a customer may do, as a pure function of facts and a moment.

No database, no settings, no clock: the same facts give the same answer in any order. The rules
stand in ``docs/entitlements.md``; in short, a fact counts over ``[starts_at, ends_at)``, one
denial beats every permission, and among permissions the most generous value wins.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

ALLOW, DENY = "allow", "deny"
MAX_LIMIT = 2**53 - 1
"""The largest whole number that every reader of JSON understands."""

Value = bool | int | None


class Reason(StrEnum):
    """Why the answer is what it is. The list is closed; callers may switch on it."""

    ENTITLED = "entitled"
    TRIAL = "trial"
    GRACE = "grace"
    GRANTED = "granted"
    NOT_ENTITLED = "not_entitled"
    REVOKED = "revoked"
    HELD = "held"
    UNKNOWN_FEATURE = "unknown_feature"


ALLOWING = (Reason.ENTITLED, Reason.GRANTED, Reason.TRIAL, Reason.GRACE)
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

    @property
    def source(self) -> Source:
        return Source(self.source_type, self.source_id)

    def holds(self, at: datetime) -> bool:
        return self.starts_at <= at and (self.ends_at is None or at < self.ends_at)


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer for one feature, why, and until when it is certain.

    ``valid_until`` is the next moment at which time alone may change the answer; None means
    that only a new fact can. ``used``, ``remaining`` and ``resets_at`` belong to metered features.
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


@dataclass(frozen=True, slots=True)
class Standing:
    """Everything that one user may do, at one version; an unknown user has no customer_id."""

    user_id: str
    customer_id: str | None
    version: int
    decisions: Mapping[str, Decision]


@dataclass(frozen=True, slots=True)
class Kind:
    """How the values of one kind of feature read and combine."""

    nothing: Value
    """The value of a feature that is not allowed."""
    accepts: Callable[[Any], bool]
    """Whether something is a value of this kind; what is not gives nothing."""
    rule: str
    """What a value of this kind is, for whoever sent another one."""
    best: Callable[[Sequence[Any]], Value]
    """The most generous of at least one value."""
    allows: Callable[[Any], bool]
    limit: Callable[[Any], int | None]
    """The number to show as ``limit``; None when there is none."""


def _is_limit(value: Any) -> bool:
    return value is None or (type(value) is int and 0 <= value <= MAX_LIMIT)


KINDS: Mapping[str, Kind] = {
    "boolean": Kind(
        nothing=False,
        accepts=lambda value: value is True,
        rule="the value is true; leave it out for the same.",
        best=any,
        allows=bool,
        limit=lambda value: None,
    ),
    "limit": Kind(
        nothing=0,
        accepts=_is_limit,
        rule="the value is a whole number from 0 to 9007199254740991, or null for no limit.",
        best=lambda values: None if None in values else max(values),
        allows=lambda value: value is None or value > 0,
        limit=lambda value: value,
    ),
}
"""A new kind of feature is one entry here and one in ``models.feature.FeatureKind``."""


def resolve(
    facts: Iterable[Fact], *, feature: str, kind: str, at: datetime, version: int = 0
) -> Decision:
    """The answer for one feature at one moment, from all facts of a customer."""
    about = [fact for fact in facts if fact.feature == feature]
    return _decide(about, feature=feature, rules=KINDS[kind], at=at, version=version)


def resolve_all(
    facts: Iterable[Fact], *, features: Mapping[str, str], at: datetime, version: int = 0
) -> dict[str, Decision]:
    """As :func:`resolve` for every feature of ``features`` (code to kind), sorted by code."""
    about: dict[str, list[Fact]] = defaultdict(list)
    for fact in facts:
        about[fact.feature].append(fact)
    return {
        code: _decide(about[code], feature=code, rules=KINDS[kind], at=at, version=version)
        for code, kind in sorted(features.items())
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


def _decide(
    about: Sequence[Fact], *, feature: str, rules: Kind, at: datetime, version: int
) -> Decision:
    holding = [fact for fact in about if fact.holds(at)]
    if deciding := [fact for fact in holding if fact.effect == DENY]:
        value, reason = rules.nothing, _first(deciding, DENYING)
    else:
        value, deciding = _most_generous(holding, rules)
        reason = _first(deciding, ALLOWING) if rules.allows(value) else Reason.NOT_ENTITLED
    return Decision(
        feature=feature,
        allowed=rules.allows(value),
        reason=reason,
        value=value,
        limit=rules.limit(value),
        valid_until=_next_change(about, at),
        version=version,
        sources=tuple(sorted({fact.source for fact in deciding})),
    )


def _most_generous(holding: Sequence[Fact], rules: Kind) -> tuple[Value, list[Fact]]:
    """The best value on offer and the facts that offer exactly that."""
    offers = [fact for fact in holding if fact.effect == ALLOW and rules.accepts(fact.value)]
    if not offers:
        return rules.nothing, []
    best = rules.best([fact.value for fact in offers])
    return best, [fact for fact in offers if fact.value == best]


def _first(deciding: Sequence[Fact], order: Sequence[Reason]) -> Reason:
    return min((fact.reason for fact in deciding), key=order.index)


def _next_change(about: Sequence[Fact], at: datetime) -> datetime | None:
    moments = [moment for fact in about for moment in (fact.starts_at, fact.ends_at)]
    return min((moment for moment in moments if moment is not None and at < moment), default=None)
