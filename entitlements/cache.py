"""Decisions kept in Redis for at most 30 s, and never shown when they could be wrong.

One hash per project and customer. Its field ``version`` is the newest version heard of; the
field of a feature holds one decision with everything needed to distrust it: whose it is, the
version, when it was computed and until when it is certain. A change of the customer leaves a
tombstone, the hash with nothing but the new version, so that a slow reader cannot put an older
answer back. Redis may be empty, frozen, dead or full of rubbish: then the answer is a miss.

The promise (docs/rules.md, R15): after a change the old answer is gone as soon as the tombstone is
written, and if that never reaches Redis, at the latest ``ENTITLEMENTS.cache_ttl`` after the old
answer was computed. ``tests/models/test_cache_model.py`` walks through every interleaving.
"""

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import redis
from django.conf import settings

from common.redis import attempt
from entitlements import representation
from entitlements.resolution import Decision, Question
from projects.models import Customer

SCHEMA = 1
"""Raised when the shape of a stored decision changes: older ones become misses."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MEMBERS = {field.name for field in dataclasses.fields(Decision) if field.compare}

_STORE = """
local held = redis.pcall('HGET', KEYS[1], 'version')
if type(held) ~= 'string' or not tonumber(held) or redis.call('PTTL', KEYS[1]) < 0 then
  redis.call('DEL', KEYS[1])
  held = '-1'
end
if tonumber(held) > tonumber(ARGV[1]) then return 0 end
if tonumber(held) < tonumber(ARGV[1]) then redis.call('DEL', KEYS[1]) end
redis.call('HSET', KEYS[1], 'version', ARGV[1], unpack(ARGV, 3))
redis.call('PEXPIRE', KEYS[1], math.max(redis.call('PTTL', KEYS[1]), ARGV[2]))
return 1
"""
"""Set unless older. ARGV: version, milliseconds to live, then fields and their values, of which
a tombstone has none. A key that is no hash of ours, or does not expire, is thrown away first."""


def key(*, project_id: str, user_id: str) -> str:
    """Where the answers about one user of one project are kept."""
    return f"p:{project_id}:e:{_pseudonym(user_id)}"


def find(
    *, project_id: str, questions: Sequence[Question], at: datetime
) -> dict[Question, dict[str, Any]]:
    """Those decisions that are kept, are what was asked for, and are certain at ``at``."""
    commands = [
        ("HGET", key(project_id=project_id, user_id=question.user_id), question.feature)
        for question in questions
    ]
    found: dict[Question, dict[str, Any]] = {}
    for question, text in zip(questions, _run(commands) or [None] * len(commands), strict=True):
        body = _trusted(
            text, owner=_owner(project_id, question.user_id), feature=question.feature, at=at
        )
        if body is not None:
            found[question] = body
    return found


def keep(*, project_id: str, answers: Mapping[Question, Decision], at: datetime) -> None:
    """Remember decisions computed at ``at``, unless something newer is known of the customer."""
    _run(
        [
            _store(
                project_id,
                question.user_id,
                decision.version,
                _lifetime(decision, at),
                question.feature,
                _entry(decision, owner=_owner(project_id, question.user_id), at=at),
            )
            for question, decision in answers.items()
        ]
    )


def bury(customer: Customer, *, version: int) -> None:
    """Leave a tombstone: nothing older than ``version`` is shown or kept from now on.

    It outlives every answer that a reader can have computed before the change.
    """
    lifetime = 2 * settings.ENTITLEMENTS.cache_ttl
    names = (customer.user_id, customer.pk)
    _run([_store(customer.project_id, name, version, lifetime) for name in names])


def _pseudonym(user_id: str) -> str:
    return hashlib.sha256(user_id.encode()).hexdigest()[:32]


def _owner(project_id: str, user_id: str) -> dict[str, Any]:
    return {"schema": SCHEMA, "project": project_id, "customer": _pseudonym(user_id)}


def _entry(decision: Decision, *, owner: dict[str, Any], at: datetime) -> bytes:
    body = representation.decision(decision)
    until = decision.valid_until
    certain = {"computed_at": _instant(at), "valid_until": _instant(until) if until else None}
    return orjson.dumps({**owner, "version": decision.version, **certain, "body": body})


def _trusted(
    text: Any, *, owner: dict[str, Any], feature: str, at: datetime
) -> dict[str, Any] | None:
    """The decision in a stored entry, or None when anything about it is not as it must be."""
    if not isinstance(text, str):
        return None
    try:
        entry = orjson.loads(text)
        body: dict[str, Any] = entry["body"]
        is_ours = all(entry[name] == value for name, value in owner.items())
        is_asked = body["feature"] == feature and body["version"] == entry["version"]
        if is_ours and is_asked and body.keys() == _MEMBERS and _is_fresh(entry, at):
            return body
    except (ValueError, TypeError, KeyError, AttributeError):
        pass
    return None


def _is_fresh(entry: dict[str, Any], at: datetime) -> bool:
    now, computed_at, until = _instant(at), entry["computed_at"], entry["valid_until"]
    age = now - computed_at
    is_young = 0 <= age < settings.ENTITLEMENTS.cache_ttl // _MICROSECOND
    return is_young and (until is None or now < until)


def _lifetime(decision: Decision, at: datetime) -> timedelta:
    longest: timedelta = settings.ENTITLEMENTS.cache_ttl
    return min(longest, decision.valid_until - at) if decision.valid_until else longest


def _store(
    project_id: str, user_id: str, version: int, lifetime: timedelta, *fields: str | bytes
) -> tuple[Any, ...]:
    milliseconds = max(1, lifetime // timedelta(milliseconds=1))
    name = key(project_id=project_id, user_id=user_id)
    return ("EVAL", _STORE, 1, name, version, milliseconds, *fields)


def _instant(moment: datetime) -> int:
    """Microseconds since 1970, exactly."""
    return (moment - _EPOCH) // _MICROSECOND


def _run(commands: Sequence[tuple[Any, ...]]) -> list[Any]:
    """The answers of one round trip, errors of single commands included; empty if Redis is away."""

    def call(client: redis.Redis) -> list[Any]:
        pipeline = client.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)  # type: ignore[no-untyped-call]  # redis-py's
        try:
            return pipeline.execute(raise_on_error=False)
        except UnicodeDecodeError:  # somebody else's bytes
            return []

    return attempt(call, otherwise=[]) if commands else []
