"""Which limits apply to which caller."""

from enum import StrEnum
from hashlib import blake2b

from django.conf import settings

from projects.keys.credentials import PlatformCredential, ProjectCredential, UserCredential
from projects.limits.token_bucket import Limit

BURST_SECONDS = 5
"""Size of a bucket, in seconds of its rate."""
KEY_SHARE = 0.75
"""Share of its project's limit that one key may use, so that no key starves the others."""
PLATFORM_RATE, USER_RATE, ANONYMOUS_RATE = 50.0, 10.0, 20.0
"""Requests per second of a platform key, of a signed-in user, and of an address that sends neither
key nor token."""
FAILURE_RATE, FAILURES = 0.5, 30.0
"""Refused keys, tokens and signatures per second and at once from one address."""
PREFLIGHT_RATE, PREFLIGHTS = 50.0, 250.0
"""Requests with the method OPTIONS per second and at once from one address."""
LOGIN_RATE, LOGINS = 1 / 6, 20.0
"""Attempts to sign in to the console per second and at once from one address."""

Credential = ProjectCredential | PlatformCredential | UserCredential


class RequestKind(StrEnum):
    """Kinds of requests with limits of their own."""

    CHECKS = "checks"
    """Checks, consumption and usage: the calls that a project makes for each of its own
    requests."""
    REQUESTS = "requests"


class AddressKind(StrEnum):
    """What is counted by address."""

    ANONYMOUS = "anonymous"
    PREFLIGHTS = "preflights"
    FAILURES = "failures"
    LOGINS = "logins"


_BY_ADDRESS = {
    AddressKind.ANONYMOUS: (ANONYMOUS_RATE, ANONYMOUS_RATE * BURST_SECONDS),
    AddressKind.PREFLIGHTS: (PREFLIGHT_RATE, PREFLIGHTS),
    AddressKind.FAILURES: (FAILURE_RATE, FAILURES),
    AddressKind.LOGINS: (LOGIN_RATE, LOGINS),
}


def limits_of(credential: Credential, kind: RequestKind) -> tuple[Limit, ...]:
    """The limits of a caller, the narrowest subject first."""
    if isinstance(credential, PlatformCredential):
        return (_limit("key", credential.key_id, RequestKind.REQUESTS, PLATFORM_RATE),)
    project = credential.project
    rate = rate_of(credential, kind)
    whole = _limit("project", project.pk, kind, rate)
    if isinstance(credential, UserCredential):
        user = _digest(f"{project.pk}:{credential.user_id}")
        return _limit("user", user, kind, min(USER_RATE, rate)), whole
    return _limit("key", credential.key_id, kind, max(rate * KEY_SHARE, 1.0)), whole


def rate_of(credential: ProjectCredential | UserCredential, kind: RequestKind) -> float:
    """Requests of this kind per second that the caller's project may send."""
    project, defaults = credential.project, settings.RATE_LIMITS
    if kind is RequestKind.CHECKS:
        return float(project.checks_per_second or defaults.checks)
    return float(project.requests_per_second or defaults.requests)


def limit_of(address: str, kind: AddressKind) -> Limit:
    """The limit of an address, of which only a digest leaves the process."""
    rate, size = _BY_ADDRESS[kind]
    return Limit("address", f"address:{_digest(address)}:{kind}", rate, size)


def _limit(name: str, subject: str, kind: RequestKind, rate: float) -> Limit:
    return Limit(name, f"{name}:{subject}:{kind}", rate, rate * BURST_SECONDS)


def _digest(text: str) -> str:
    key = settings.SECRET_KEY.encode()[:64]
    return blake2b(text.encode("utf-8", "replace"), key=key, digest_size=12).hexdigest()
