"""Decisions cached in Redis for at most 30 s, and never used when they could be wrong.

One hash per project and customer: its field ``version`` is the customer's version, the field of a
feature holds one signed entry (``entitlements.cache.codec``). A change of the customer leaves a
tombstone, a hash with the new version only, so that a slow reader cannot put an older decision
back. A project's rules (features and free tier) have a version and a tombstone of their own. When
Redis is empty, away or holds anything else, the answer is a miss. In front of Redis stand the
entries of this process (``entitlements.cache.local``), dropped by the message that each tombstone
publishes.

Decisions that depend on usage or credits are kept for two seconds in a hash of their own, which is
deleted whenever usage is counted or credits move (``usage.totals.cache``).

The promise (docs/rules.md, R15): after a change the old decision is gone as soon as the tombstone
is written and its message has arrived; if neither happens, at the latest ``ENTITLEMENTS.cache_ttl``
after it was computed. ``tests/models/test_cache_model.py`` checks every interleaving.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings

from common import invalidation
from common.redis import exchange
from entitlements import representation
from entitlements.balances.selectors.amounts import StaticDecision
from entitlements.cache import hit_rate, partial, redis_store
from entitlements.cache.codec import CacheEntry, open_entry, seal_entry
from entitlements.cache.local import RULES_TOPIC, TOPIC, local_cache
from entitlements.cache.redis_store import VersionedHash, milliseconds
from entitlements.resolution.decision import Decision, Question
from projects.customers.pseudonyms import pseudonym
from projects.models import Customer
from usage.totals import cache as totals_cache


@dataclass(slots=True)
class CachedDecisions:
    """Cache hits: ``ready`` response bodies, and ``static`` entries that still need amounts."""

    ready: dict[Question, bytes] = field(default_factory=dict)
    static: dict[Question, CacheEntry] = field(default_factory=dict)


def key(*, project_id: str, user_id: str) -> str:
    """The Redis key of one user's decisions."""
    return f"p:{project_id}:e:{pseudonym(user_id)}"


def rules_key(project_id: str) -> str:
    """The Redis key of the version of a project's rules."""
    return f"p:{project_id}:r"


def find(*, project_id: str, questions: Collection[Question], at: datetime) -> CachedDecisions:
    """The cached decisions that are certain at ``at``. At most one round trip; none for entries
    of this process."""
    cached = CachedDecisions()
    lookups: list[_Lookup] = []
    for question in questions:
        name = key(project_id=project_id, user_id=question.user_id)
        entry = local_cache.find(name, question.feature)
        if entry is not None and entry.holds(at):
            if entry.is_whole:
                cached.ready[question] = entry.body
                continue
            cached.static[question] = entry
            lookups.append(_build_lookup(project_id, question, name, entry))
        else:
            lookups.append(_build_lookup(project_id, question, name, None))
    here = len(cached.ready)
    if lookups:
        _read(cached, project_id, lookups, at)
    hit_rate.record(len(questions), here=here, ready=len(cached.ready))
    return cached


def find_local(*, project_id: str, question: Question, at: datetime) -> bytes | None:
    """The response body from this process, if it is certain at ``at``. No round trip."""
    entry = local_cache.find(key(project_id=project_id, user_id=question.user_id), question.feature)
    return entry.body if entry is not None and entry.is_whole and entry.holds(at) else None


def find_static(*, project_id: str, question: Question, at: datetime) -> CacheEntry | None:
    """The cached static decision of a feature that needs amounts, for callers that read these
    from the database. No round trip for an entry of this process."""
    name = key(project_id=project_id, user_id=question.user_id)
    entry = local_cache.find(name, question.feature)
    if entry is not None and entry.holds(at):
        return None if entry.is_whole else entry
    cached = CachedDecisions()
    _read(cached, project_id, [_Lookup(question, name, None, "")], at)
    return cached.static.get(question)


def keep(
    *,
    project_id: str,
    static_decisions: Mapping[Question, StaticDecision],
    rules: int,
    at: datetime,
    begun: tuple[int, float],
) -> dict[Question, CacheEntry]:
    """Cache static decisions made at ``at`` under these rules, unless a newer version is known.

    ``begun`` is ``local_cache.begin_read()`` from before the database was read. Returns the
    entries.
    """
    entries = {
        question: _build_entry(static, rules=rules, at=at)
        for question, static in static_decisions.items()
    }
    questions_by_key = [
        (key(project_id=project_id, user_id=question.user_id), question) for question in entries
    ]
    hashes = [VersionedHash(rules_key(project_id), rules, 2 * settings.ENTITLEMENTS.cache_ttl)]
    for name, question in questions_by_key:
        entry = entries[question]
        sealed = seal_entry(entry, key=name, feature=question.feature)
        hashes.append(
            VersionedHash(name, entry.version, entry.until - at, (question.feature, sealed))
        )
    stored = redis_store.store(hashes)
    if stored and stored[0] == 1:
        for (name, question), is_stored in zip(questions_by_key, stored[1:], strict=True):
            if is_stored == 1:
                local_cache.keep(name, question.feature, entries[question], begun=begun)
    return entries


def keep_completed(
    *, project_id: str, decisions: Mapping[Question, tuple[CacheEntry, Decision]], at: datetime
) -> None:
    """Cache completed decisions for two seconds."""
    commands: list[tuple[Any, ...]] = []
    for question, (static, decision) in decisions.items():
        name = totals_cache.key(project_id=project_id, user_id=question.user_id)
        entry = CacheEntry(
            version=static.version,
            rules=static.rules,
            since=at,
            until=min(static.until, _valid_until(decision, at, longest=totals_cache.MAX_AGE)),
            is_whole=True,
            body=representation.encode_decision(decision),
        )
        sealed = seal_entry(entry, key=name, feature=question.feature)
        commands.append(("HSET", name, question.feature, sealed))
        commands.append(("PEXPIRE", name, milliseconds(totals_cache.MAX_AGE)))
    exchange(*commands)


def invalidate(customer: Customer, *, version: int) -> None:
    """Leave a tombstone: no decision older than ``version`` is used or stored from now on.

    The tombstone outlives every decision that a reader can have computed before the change.
    """
    names = [
        key(project_id=customer.project_id, user_id=name)
        for name in (customer.user_id, customer.pk)
    ]
    _invalidate(TOPIC, names, names, version)
    for name in names:
        local_cache.drop(name)


def invalidate_rules(project_id: str, *, version: int) -> None:
    """Leave a tombstone for a project whose features or free tier have changed."""
    _invalidate(RULES_TOPIC, [rules_key(project_id)], [project_id], version)
    local_cache.drop_project(project_id)


def _invalidate(topic: str, names: list[str], subjects: list[str], version: int) -> None:
    lifetime = 2 * settings.ENTITLEMENTS.cache_ttl
    channel = invalidation.channel()
    exchange(
        *(
            redis_store.build_store_command(VersionedHash(name, version, lifetime))
            for name in names
        ),
        *(("PUBLISH", channel, invalidation.message(topic, subject)) for subject in subjects),
    )


class _Lookup(NamedTuple):
    """One question to be read from Redis."""

    question: Question
    key: str
    static: CacheEntry | None
    """The static entry of this process, when only the completed decision is read."""
    figures_key: str
    """The key of the completed decision; empty while the feature is not known to need amounts."""


_counted_features: set[tuple[str, str]] = set()
"""(project id, feature) pairs that need amounts, so that both hashes are read in one round trip."""


def _build_lookup(
    project_id: str, question: Question, key: str, static: CacheEntry | None
) -> _Lookup:
    needs = static is not None or (project_id, question.feature) in _counted_features
    figures_key = totals_cache.key(project_id=project_id, user_id=question.user_id) if needs else ""
    return _Lookup(question, key, static, figures_key)


def _read(cached: CachedDecisions, project_id: str, lookups: list[_Lookup], at: datetime) -> None:
    begun = local_cache.begin_read()
    rules = local_cache.rules(project_id)
    commands = [command for lookup in lookups for command in _commands(lookup)]
    if rules is None:
        commands.append(("HGET", rules_key(project_id), "version"))
    replies = exchange(*commands)
    if replies and rules is None:
        rules = _parse_version(replies.pop())
        if rules is not None:
            local_cache.keep_rules(project_id, rules, begun=begun)
    if not replies or rules is None:  # nobody knows under which rules these answers were made
        return
    values = iter(replies)
    for lookup in lookups:
        stored = next(values) if lookup.static is None else None
        completed = next(values) if lookup.figures_key else None
        _use_entry(cached, project_id, lookup, stored, completed, rules, at, begun)


def _commands(lookup: _Lookup) -> Iterator[tuple[str, str, str]]:
    if lookup.static is None:
        yield ("HGET", lookup.key, lookup.question.feature)
    if lookup.figures_key:
        yield ("HGET", lookup.figures_key, lookup.question.feature)


def _use_entry(
    cached: CachedDecisions,
    project_id: str,
    lookup: _Lookup,
    stored: Any,
    completed: Any,
    rules: int,
    at: datetime,
    begun: tuple[int, float],
) -> None:
    """Take over what is certain about one question."""
    feature = lookup.question.feature
    entry = lookup.static or open_entry(stored, key=lookup.key, feature=feature)
    if entry is None or not entry.holds(at) or entry.rules < rules:
        cached.static.pop(lookup.question, None)
        return
    if lookup.static is None:
        local_cache.keep(lookup.key, feature, entry, begun=begun)
    if entry.is_whole:
        cached.ready[lookup.question] = entry.body
        return
    cached.static[lookup.question] = entry
    if not lookup.figures_key:
        _remember_counted_feature(project_id, feature)
        return
    counted = open_entry(completed, key=lookup.figures_key, feature=feature)
    if (
        counted is not None
        and counted.holds(at)
        and (counted.version, counted.rules) == (entry.version, entry.rules)
    ):
        cached.ready[lookup.question] = counted.body


def _remember_counted_feature(project_id: str, feature: str) -> None:
    if len(_counted_features) >= 10_000:
        _counted_features.clear()
    _counted_features.add((project_id, feature))


def _build_entry(static: StaticDecision, *, rules: int, at: datetime) -> CacheEntry:
    decision = static.decision
    is_whole = decision.is_whole
    return CacheEntry(
        version=decision.version,
        rules=rules,
        since=at,
        until=_valid_until(decision, at, longest=settings.ENTITLEMENTS.cache_ttl),
        is_whole=is_whole,
        body=representation.encode_decision(decision) if is_whole else partial.encode(static),
    )


def _valid_until(decision: Decision, at: datetime, *, longest: timedelta) -> datetime:
    return min(at + longest, decision.keepable_until or at + longest)


def _parse_version(reply: Any) -> int | None:
    return int(reply) if type(reply) is bytes and reply.isdigit() and len(reply) < 20 else None
