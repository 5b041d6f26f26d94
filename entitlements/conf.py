from dataclasses import dataclass
from datetime import timedelta

from django.core.exceptions import ImproperlyConfigured
from environ import Env

LONGEST_SNAPSHOT_LIFE = timedelta(days=7)
"""More is refused: a key that was replaced stays published for as long as this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntitlementsSettings:
    """How long a cached answer may live (docs/rules.md, R15: never longer than 30 s), and how long
    a signed one at most."""

    cache_ttl: timedelta = timedelta(seconds=30)
    snapshot_life: timedelta = timedelta(hours=24)

    def __post_init__(self) -> None:
        if not timedelta(minutes=1) <= self.snapshot_life <= LONGEST_SNAPSHOT_LIFE:
            raise ImproperlyConfigured("SNAPSHOT_LIFE is from 60 to 604800 seconds.")

    @classmethod
    def from_env(cls, env: Env) -> "EntitlementsSettings":
        return cls(snapshot_life=timedelta(seconds=env.int("SNAPSHOT_LIFE", default=86_400)))
