"""A project's public keys (JWKS), fetched and cached in the process and in Redis.

A set is used for five minutes without a fetch. After that, and for an unknown key id, it is fetched
again, by one thread at a time and at most every 30 seconds; meanwhile all others use the cached
set. A set whose address fails is used for an hour.
"""

import hashlib
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt
import structlog

from common import egress
from common.egress import EgressFailed
from common.egress_rules import EgressRefused
from common.redis import attempt
from projects.errors import KeysUnavailable
from projects.models import JwtSettings
from projects.sign_in.algorithms import MIN_RSA_BITS, PUBLIC

log = structlog.get_logger(__name__)

FRESH_SECONDS = 300.0
"""Age up to which a set is used without a fetch."""
STALE_SECONDS = 3600.0
"""Age up to which a set is used while its address fails."""
COOLDOWN_SECONDS = 30.0
"""Between two fetches of one set."""
RETRY_SECONDS = 5.0
"""Between two fetches after a failure without a cached set."""
FETCH_TIMEOUT_SECONDS = 5.0
"""For one fetch in all."""
MAX_FETCHES = 2
"""Concurrent fetches per process, so that slow addresses do not hold all threads."""
WAIT_SECONDS = 1.0
"""How long a request without a cached set waits for another request's fetch."""
MAX_KEYS = 100
MAX_SETS = 1000


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key and the algorithms that it may verify."""

    key: Any
    algorithms: frozenset[str]


@dataclass(frozen=True, slots=True)
class KeySet:
    """Keys by ``kid``; a key without one has the empty name."""

    keys: Mapping[str, PublicKey]
    fetched_at: float

    def age(self, now: float) -> float:
        return max(now - self.fetched_at, 0.0)


@dataclass(slots=True)
class _CachedKeySet:
    """The cached set of one address."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    key_set: KeySet | None = None
    next_fetch_at: float = 0.0


_cached_sets: dict[str, _CachedKeySet] = {}
_sets_lock = threading.Lock()
_fetch_slots = threading.BoundedSemaphore(MAX_FETCHES)


def find(
    *, settings: JwtSettings, kid: str, clock: Callable[[], float] = time.time
) -> PublicKey | None:
    """The project's key with this id; without an id, the only key of the set.

    None when the project has no such key. Raises KeysUnavailable.
    """
    cache_key = _cache_key(settings)
    cached = _cached_set(cache_key)
    key_set = _find_known(cached, cache_key, clock())
    if key_set is None or key_set.age(clock()) > FRESH_SECONDS or _pick_key(key_set, kid) is None:
        key_set = _fetch_if_due(cached, cache_key, settings.jwks_url, key_set, clock)
    if key_set is None or key_set.age(clock()) > STALE_SECONDS:
        raise KeysUnavailable(
            "The address of the project's key set does not return a valid key set.",
            retry_after=int(RETRY_SECONDS),
        )
    return _pick_key(key_set, kid)


def forget_all() -> None:
    """Drop all sets that this process holds."""
    with _sets_lock:
        _cached_sets.clear()


def _pick_key(key_set: KeySet, kid: str) -> PublicKey | None:
    if kid:
        return key_set.keys.get(kid)
    return next(iter(key_set.keys.values())) if len(key_set.keys) == 1 else None


def _cache_key(settings: JwtSettings) -> str:
    address = hashlib.sha256(settings.jwks_url.encode()).hexdigest()[:32]
    return f"p:{settings.project_id}:jwks:{address}"


def _cached_set(name: str) -> _CachedKeySet:
    with _sets_lock:
        if len(_cached_sets) >= MAX_SETS:
            _cached_sets.clear()
        return _cached_sets.setdefault(name, _CachedKeySet())


def _find_known(cached: _CachedKeySet, name: str, now: float) -> KeySet | None:
    """The newest set of this process or, past its freshness, of Redis."""
    key_set = cached.key_set
    if key_set is not None and key_set.age(now) <= FRESH_SECONDS:
        return key_set
    return _newer(key_set, _find_shared(name))


def _fetch_if_due(
    cached: _CachedKeySet,
    name: str,
    url: str,
    cached_set: KeySet | None,
    clock: Callable[[], float],
) -> KeySet | None:
    """The set from its address when a fetch is due; otherwise the newest cached one."""
    if not cached.lock.acquire(timeout=WAIT_SECONDS if cached_set is None else 0):
        return _newer(cached_set, cached.key_set)
    try:
        best = _newer(_newer(cached_set, cached.key_set), _find_shared(name))
        if best is not None and best is not cached_set and best.age(clock()) < COOLDOWN_SECONDS:
            cached.key_set = best
            return best
        if clock() < cached.next_fetch_at or not _may_fetch(name, is_cold=best is None):
            cached.key_set = best
            return best
        cached.next_fetch_at = clock() + COOLDOWN_SECONDS
        fetched = _fetch(url)
        if fetched is None:
            cached.next_fetch_at = clock() + (RETRY_SECONDS if best is None else COOLDOWN_SECONDS)
            cached.key_set = best
            return best
        keys, text = fetched
        cached.key_set = KeySet(keys, clock())
        _store_shared(name, text, cached.key_set.fetched_at)
        return cached.key_set
    finally:
        cached.lock.release()


def _fetch(url: str) -> tuple[dict[str, PublicKey], str] | None:
    """The keys at the address and their text; None without a usable key."""
    if not _fetch_slots.acquire(timeout=WAIT_SECONDS):
        return None
    try:
        response = egress.get(
            url, headers={"Accept": "application/json"}, total=FETCH_TIMEOUT_SECONDS
        )
        text = response.body.decode() if response.status == 200 and not response.is_cut else "{}"
        keys = parse(text)
    except (EgressFailed, EgressRefused, ValueError, RecursionError) as error:
        log.warning("jwks_unavailable", error=type(error).__name__)
        return None
    finally:
        _fetch_slots.release()
    if not keys:
        log.warning("jwks_unusable", status=response.status)
        return None
    return keys, text


def parse(text: str) -> dict[str, PublicKey]:
    """The usable keys of a key set (RFC 7517) by id. Raises ValueError for text that is not
    JSON."""
    document = json.loads(text)
    listed_keys = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed_keys, list):
        return {}
    keys: dict[str, PublicKey] = {}
    for jwk in listed_keys[:MAX_KEYS]:
        key = _public_key(jwk) if isinstance(jwk, dict) else None
        if key is not None:
            kid = jwk.get("kid")
            keys[kid if isinstance(kid, str) else ""] = key
    return keys


def _public_key(jwk: dict[str, Any]) -> PublicKey | None:
    """None for a key that is secret, weak, meant for something else, or not understood."""
    operations = jwk.get("key_ops", ["verify"])
    if jwk.get("use", "sig") != "sig" or not isinstance(operations, list):
        return None
    if "verify" not in operations:
        return None
    kind = (jwk.get("kty"), jwk.get("crv", ""))
    algorithms = {name for name, required in PUBLIC.items() if required == kind}
    if "alg" in jwk:
        algorithms &= {jwk["alg"]} if isinstance(jwk["alg"], str) else set()
    if not algorithms or jwk.get("d"):
        return None
    try:
        key = jwt.PyJWK(jwk, algorithm=min(algorithms)).key
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    if kind[0] == "RSA" and key.key_size < MIN_RSA_BITS:
        return None
    return PublicKey(key, frozenset(algorithms))


def _newer(one: KeySet | None, other: KeySet | None) -> KeySet | None:
    if one is None or other is None:
        return one or other
    return other if other.fetched_at > one.fetched_at else one


def _may_fetch(name: str, *, is_cold: bool) -> bool:
    """Whether no other process has fetched within the cooldown; always true without a cached
    set."""
    is_ours = attempt(
        lambda redis: bool(
            redis.set(f"{name}:asked", "1", nx=True, px=int(COOLDOWN_SECONDS * 1000))
        ),
        fallback=True,
    )
    return is_ours or is_cold


def _store_shared(name: str, text: str, fetched_at: float) -> None:
    text_with_time = json.dumps({"fetched_at": fetched_at, "text": text})
    attempt(
        lambda redis: redis.set(name, text_with_time, px=int(STALE_SECONDS * 1000)), fallback=None
    )


def _find_shared(name: str) -> KeySet | None:
    stored: Any = attempt(lambda redis: redis.get(name), fallback=None)
    if not stored:
        return None
    try:
        document = json.loads(stored)
        return KeySet(parse(document["text"]), float(document["fetched_at"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
