"""Decisions kept in Redis for at most 30 s, and never shown when they could be wrong.

One hash per project and customer. Its field ``version`` is the newest version heard of; the field
of a feature holds one sealed entry (``entitlements.cache.codec``) with everything needed to
distrust it. A change of the customer leaves a tombstone, the hash with nothing but the new version,
so that a slow reader cannot put an older answer back. What holds for everybody in a project, its
features and its free tier, has a version and a tombstone of its own. Redis may be empty, frozen,
dead or full of rubbish: then the answer is a miss. In front of Redis stand the copies of this
process (``entitlements.cache.local``), which the message dropped with each tombstone takes away.

What depends on figures, of use or credits, is never copied: such an answer is kept for two seconds
in a hash of its own, which whoever counts deletes (``usage.totals.cache``).

The promise (docs/rules.md, R15): after a change the old answer is gone as soon as the tombstone is
written and its message has arrived, and if these never reach anybody, at the latest
``ENTITLEMENTS.cache_ttl`` after the old answer was computed. ``tests/models/test_cache_model.py``
walks through every interleaving.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings

from common import broadcast
from common.redis import exchange
from entitlements import representation
from entitlements.balances.selectors.figures import Answer
from entitlements.cache import partial as statics
from entitlements.cache import redis_store as hashes
from entitlements.cache.codec import Entry, opened, sealed
from entitlements.cache.local import RULES_TOPIC, TOPIC, copies
from entitlements.cache.redis_store import Hash, milliseconds
from entitlements.resolution.decision import Decision, Question
from projects.customers.pseudonyms import pseudonym
from projects.models import Customer
from usage.totals import cache as figures


@dataclass(slots=True)
class Found:
    """What was kept: answers ready to be sent, and what facts alone say where figures miss."""

    ready: dict[Question, bytes] = field(default_factory=dict)
    static: dict[Question, Entry] = field(default_factory=dict)


def key(*, project_id: str, user_id: str) -> str:
    """Where the answers about one user of one project are kept."""
    return f"p:{project_id}:e:{pseudonym(user_id)}"


def rules_key(project_id: str) -> str:
    """Where the version of a project's rules is kept."""
    return f"p:{project_id}:r"


def find(*, project_id: str, questions: Collection[Question], at: datetime) -> Found:
    """What is kept, is exactly what was asked for, and is certain at ``at``; one round trip at
    most, and none for what this process has a copy of."""
    found = Found()
    unread: list[_Lookup] = []
    for question in questions:
        name = key(project_id=project_id, user_id=question.user_id)
        copy = copies.find(name, question.feature)
        if copy is not None and copy.holds(at):
            if copy.is_whole:
                found.ready[question] = copy.body
                continue
            found.static[question] = copy
            unread.append(_lookup(project_id, question, name, copy))
        else:
            unread.append(_lookup(project_id, question, name, None))
    if unread:
        _read(found, project_id, unread, at)
    return found


def copied(*, project_id: str, question: Question, at: datetime) -> bytes | None:
    """The answer of which this process has a copy, ready to be sent and certain at ``at``."""
    copy = copies.find(key(project_id=project_id, user_id=question.user_id), question.feature)
    return copy.body if copy is not None and copy.is_whole and copy.holds(at) else None


def find_static(*, project_id: str, question: Question, at: datetime) -> Entry | None:
    """What facts alone say, where that is not the whole answer: for who takes figures from the
    database. No round trip for what this process has a copy of."""
    name = key(project_id=project_id, user_id=question.user_id)
    copy = copies.find(name, question.feature)
    if copy is not None and copy.holds(at):
        return None if copy.is_whole else copy
    found = Found()
    _read(found, project_id, [_Lookup(question, name, None, "")], at)
    return found.static.get(question)


def keep(
    *,
    project_id: str,
    answers: Mapping[Question, Answer],
    rules: int,
    at: datetime,
    begun: tuple[int, float],
) -> dict[Question, Entry]:
    """Remember what facts said at ``at`` under these rules, unless something newer is known.

    ``begun`` is from before the database was read. Returns what was to be kept.
    """
    entries = {question: _entry(answer, rules=rules, at=at) for question, answer in answers.items()}
    named = [(key(project_id=project_id, user_id=each.user_id), each) for each in entries]
    kept = [Hash(rules_key(project_id), rules, 2 * settings.ENTITLEMENTS.cache_ttl)]
    for name, question in named:
        entry = entries[question]
        text = sealed(entry, key=name, feature=question.feature)
        kept.append(Hash(name, entry.version, entry.until - at, (question.feature, text)))
    stored = hashes.store(kept)
    if stored and stored[0] == 1:
        for (name, question), is_stored in zip(named, stored[1:], strict=True):
            if is_stored == 1:
                copies.keep(name, question.feature, entries[question], begun=begun)
    return entries


def keep_figures(
    *, project_id: str, answers: Mapping[Question, tuple[Entry, Decision]], at: datetime
) -> None:
    """Remember for two seconds what figures made of what facts say."""
    commands: list[tuple[Any, ...]] = []
    for question, (static, decision) in answers.items():
        name = figures.key(project_id=project_id, user_id=question.user_id)
        entry = Entry(
            version=static.version,
            rules=static.rules,
            since=at,
            until=min(static.until, _until(decision, at, longest=figures.LONGEST)),
            is_whole=True,
            body=representation.encoded(decision),
        )
        kept = sealed(entry, key=name, feature=question.feature)
        commands.append(("HSET", name, question.feature, kept))
        commands.append(("PEXPIRE", name, milliseconds(figures.LONGEST)))
    exchange(*commands)


def bury(customer: Customer, *, version: int) -> None:
    """Leave a tombstone: nothing older than ``version`` is shown or kept from now on.

    It outlives every answer that a reader can have computed before the change.
    """
    names = [
        key(project_id=customer.project_id, user_id=name)
        for name in (customer.user_id, customer.pk)
    ]
    _bury(TOPIC, names, names, version)
    for name in names:
        copies.drop(name)


def bury_rules(project_id: str, *, version: int) -> None:
    """The same for everybody in a project, when its features or its free tier have changed."""
    _bury(RULES_TOPIC, [rules_key(project_id)], [project_id], version)
    copies.drop_project(project_id)


def _bury(topic: str, names: list[str], told: list[str], version: int) -> None:
    lifetime = 2 * settings.ENTITLEMENTS.cache_ttl
    channel = broadcast.channel()
    exchange(
        hashes.storing([Hash(name, version, lifetime) for name in names]),
        *(("PUBLISH", channel, broadcast.message(topic, what)) for what in told),
    )


class _Lookup(NamedTuple):
    """One question on its way to Redis."""

    question: Question
    key: str
    static: Entry | None
    """The copy of what facts say, when only figures are to be read."""
    figures_key: str
    """Where figures have completed it; empty while nothing says that it needs any."""


_counted: set[tuple[str, str]] = set()
"""Features (project and code) known to need figures, so that these are read in the same trip."""


def _lookup(project_id: str, question: Question, key: str, static: Entry | None) -> _Lookup:
    needs = static is not None or (project_id, question.feature) in _counted
    where = figures.key(project_id=project_id, user_id=question.user_id) if needs else ""
    return _Lookup(question, key, static, where)


def _read(found: Found, project_id: str, unread: list[_Lookup], at: datetime) -> None:
    begun = copies.begin()
    rules = copies.rules(project_id)
    commands = [command for each in unread for command in _commands(each)]
    if rules is None:
        commands.append(("HGET", rules_key(project_id), "version"))
    replies = exchange(*commands)
    if replies and rules is None:
        rules = _number(replies.pop())
        if rules is not None:
            copies.keep_rules(project_id, rules, begun=begun)
    if not replies or rules is None:  # nobody knows under which rules these answers were made
        return
    following = iter(replies)
    for each in unread:
        stored = next(following) if each.static is None else None
        figure = next(following) if each.figures_key else None
        _judge(found, project_id, each, stored, figure, rules, at, begun)


def _commands(asked: _Lookup) -> Iterator[tuple[str, str, str]]:
    if asked.static is None:
        yield ("HGET", asked.key, asked.question.feature)
    if asked.figures_key:
        yield ("HGET", asked.figures_key, asked.question.feature)


def _judge(
    found: Found,
    project_id: str,
    asked: _Lookup,
    stored: Any,
    figure: Any,
    rules: int,
    at: datetime,
    begun: tuple[int, float],
) -> None:
    """Believe what is certain about one question."""
    feature = asked.question.feature
    entry = asked.static or opened(stored, key=asked.key, feature=feature)
    if entry is None or not entry.holds(at) or entry.rules < rules:
        found.static.pop(asked.question, None)
        return
    if asked.static is None:
        copies.keep(asked.key, feature, entry, begun=begun)
    if entry.is_whole:
        found.ready[asked.question] = entry.body
        return
    found.static[asked.question] = entry
    if not asked.figures_key:
        _remember_counted(project_id, feature)
        return
    counted = opened(figure, key=asked.figures_key, feature=feature)
    if (
        counted is not None
        and counted.holds(at)
        and (counted.version, counted.rules) == (entry.version, entry.rules)
    ):
        found.ready[asked.question] = counted.body


def _remember_counted(project_id: str, feature: str) -> None:
    if len(_counted) >= 10_000:
        _counted.clear()
    _counted.add((project_id, feature))


def _entry(answer: Answer, *, rules: int, at: datetime) -> Entry:
    decision = answer.decision
    is_whole = decision.is_whole
    return Entry(
        version=decision.version,
        rules=rules,
        since=at,
        until=_until(decision, at, longest=settings.ENTITLEMENTS.cache_ttl),
        is_whole=is_whole,
        body=representation.encoded(decision) if is_whole else statics.encoded(answer),
    )


def _until(decision: Decision, at: datetime, *, longest: timedelta) -> datetime:
    return min(at + longest, decision.keepable_until or at + longest)


def _number(reply: Any) -> int | None:
    return int(reply) if type(reply) is bytes and reply.isdigit() and len(reply) < 20 else None
