"""The public keys with which a project signs its users' tokens, fetched and kept.

They are kept in the process and in Redis, by project and address. A set is used without a question
for five minutes. After that, and for a key that it does not hold, it is fetched anew, by one thread
at a time and at most every thirty seconds, whoever asks and however often; everybody else goes on
with the set that there is. A set whose address no longer answers is used for an hour.
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
from common.egress import EgressFailed, EgressRefused
from common.redis import attempt
from projects.errors import KeysUnavailable
from projects.models import JwtSettings
from projects.sign_in.algorithms import PUBLIC, SMALLEST_RSA

log = structlog.get_logger(__name__)

FRESH = 300.0
"""Seconds for which a set is used without a question."""
STALE = 3600.0
"""Seconds for which it is used while its address does not answer."""
COOLDOWN = 30.0
"""Seconds between two fetches of one set, for whatever reason."""
AGAIN = 5.0
"""As above, after a fetch that failed with nothing to fall back on."""
TOTAL = 5.0
"""Seconds that one fetch may take."""
AT_ONCE = 2
"""Fetches at once in one process: addresses that hang must not hold all of its threads."""
PATIENCE = 1.0
"""Seconds that a request without any keys waits for another one's fetch."""
MOST_KEYS = 100
MOST_SETS = 1000


@dataclass(frozen=True, slots=True)
class PublicKey:
    """One key, and the only ways of signing that it may verify."""

    key: Any
    algorithms: frozenset[str]


@dataclass(frozen=True, slots=True)
class KeySet:
    """By ``kid``; those without one stand under the empty name."""

    keys: Mapping[str, PublicKey]
    fetched_at: float

    def age(self, now: float) -> float:
        return max(now - self.fetched_at, 0.0)


@dataclass(slots=True)
class _Place:
    """What this process holds for one address."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    found: KeySet | None = None
    next_fetch_at: float = 0.0


_places: dict[str, _Place] = {}
_guard = threading.Lock()
_fetching = threading.BoundedSemaphore(AT_ONCE)


def find(
    *, settings: JwtSettings, kid: str, clock: Callable[[], float] = time.time
) -> PublicKey | None:
    """The project's key of this name; without a name, the only one that there is.

    None when the project has no such key. Raises KeysUnavailable.
    """
    name = _name(settings)
    place = _place(name)
    found = _known(place, name, clock())
    if found is None or found.age(clock()) > FRESH or _pick(found, kid) is None:
        found = _fetched(place, name, settings.jwks_url, found, clock)
    if found is None or found.age(clock()) > STALE:
        raise KeysUnavailable(
            "The address of the project's key set does not answer as it should.",
            retry_after=int(AGAIN),
        )
    return _pick(found, kid)


def forget() -> None:
    """Everything that this process holds."""
    with _guard:
        _places.clear()


def _pick(found: KeySet, kid: str) -> PublicKey | None:
    if kid:
        return found.keys.get(kid)
    return next(iter(found.keys.values())) if len(found.keys) == 1 else None


def _name(settings: JwtSettings) -> str:
    address = hashlib.sha256(settings.jwks_url.encode()).hexdigest()[:32]
    return f"p:{settings.project_id}:jwks:{address}"


def _place(name: str) -> _Place:
    with _guard:
        if len(_places) >= MOST_SETS:
            _places.clear()
        return _places.setdefault(name, _Place())


def _known(place: _Place, name: str, now: float) -> KeySet | None:
    """What is held here, or else what another process has put into Redis."""
    held = place.found
    if held is not None and held.age(now) <= FRESH:
        return held
    return _newer(held, _shared(name))


def _fetched(
    place: _Place,
    name: str,
    url: str,
    held: KeySet | None,
    clock: Callable[[], float],
) -> KeySet | None:
    """The set as it is at its address now, if it is our turn to ask; else the best there is."""
    if not place.lock.acquire(timeout=PATIENCE if held is None else 0):
        return _newer(held, place.found)
    try:
        best = _newer(_newer(held, place.found), _shared(name))
        if best is not None and best is not held and best.age(clock()) < COOLDOWN:
            place.found = best
            return best
        if clock() < place.next_fetch_at or not _may_ask(name, is_cold=best is None):
            place.found = best
            return best
        place.next_fetch_at = clock() + COOLDOWN
        made = _ask(url)
        if made is None:
            place.next_fetch_at = clock() + (AGAIN if best is None else COOLDOWN)
            place.found = best
            return best
        keys, text = made
        place.found = KeySet(keys, clock())
        _share(name, text, place.found.fetched_at)
        return place.found
    finally:
        place.lock.release()


def _ask(url: str) -> tuple[dict[str, PublicKey], str] | None:
    """The keys at the address, and their text; None when there is nothing usable."""
    if not _fetching.acquire(timeout=PATIENCE):
        return None
    try:
        answer = egress.get(url, headers={"Accept": "application/json"}, total=TOTAL)
        text = answer.body.decode() if answer.status == 200 and not answer.is_cut else "{}"
        keys = parse(text)
    except (EgressFailed, EgressRefused, ValueError, RecursionError) as error:
        log.warning("jwks_unavailable", error=type(error).__name__)
        return None
    finally:
        _fetching.release()
    if not keys:
        log.warning("jwks_unusable", status=answer.status)
        return None
    return keys, text


def parse(text: str) -> dict[str, PublicKey]:
    """The usable keys of a key set (RFC 7517) by name. Raises ValueError for what is no JSON."""
    listed = json.loads(text)
    found = listed.get("keys") if isinstance(listed, dict) else None
    if not isinstance(found, list):
        return {}
    keys: dict[str, PublicKey] = {}
    for each in found[:MOST_KEYS]:
        made = _public_key(each) if isinstance(each, dict) else None
        if made is not None:
            kid = each.get("kid")
            keys[kid if isinstance(kid, str) else ""] = made
    return keys


def _public_key(given: dict[str, Any]) -> PublicKey | None:
    """None for a key that is secret, weak, meant for something else, or not understood."""
    operations = given.get("key_ops", ["verify"])
    if given.get("use", "sig") != "sig" or not isinstance(operations, list):
        return None
    if "verify" not in operations:
        return None
    kind = (given.get("kty"), given.get("crv", ""))
    possible = {name for name, needed in PUBLIC.items() if needed == kind}
    if "alg" in given:
        possible &= {given["alg"]} if isinstance(given["alg"], str) else set()
    if not possible or given.get("d"):
        return None
    try:
        key = jwt.PyJWK(given, algorithm=min(possible)).key
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    if kind[0] == "RSA" and key.key_size < SMALLEST_RSA:
        return None
    return PublicKey(key, frozenset(possible))


def _newer(one: KeySet | None, other: KeySet | None) -> KeySet | None:
    if one is None or other is None:
        return one or other
    return other if other.fetched_at > one.fetched_at else one


def _may_ask(name: str, *, is_cold: bool) -> bool:
    """Whether no other process has asked lately; a process that has nothing asks in any case."""
    mine = attempt(
        lambda redis: bool(redis.set(f"{name}:asked", "1", nx=True, px=int(COOLDOWN * 1000))),
        otherwise=True,
    )
    return mine or is_cold


def _share(name: str, text: str, fetched_at: float) -> None:
    told = json.dumps({"fetched_at": fetched_at, "text": text})
    attempt(lambda redis: redis.set(name, told, px=int(STALE * 1000)), otherwise=None)


def _shared(name: str) -> KeySet | None:
    told: Any = attempt(lambda redis: redis.get(name), otherwise=None)
    if not told:
        return None
    try:
        said = json.loads(told)
        return KeySet(parse(said["text"]), float(said["fetched_at"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
