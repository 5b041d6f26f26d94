from dataclasses import dataclass
from datetime import timedelta

from django.core.exceptions import ImproperlyConfigured
from environ import Env

LONGEST_SNAPSHOT_LIFE = timedelta(days=7)
"""More is refused: a key that was replaced stays published for as long as this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntitlementsSettings:
    """How long a cached answer may live (docs/rules.md, R15: never longer than 30 s), and how long
    a signed one at most; at how much of the last top-up credits are low, in percent."""

    cache_ttl: timedelta = timedelta(seconds=30)
    snapshot_life: timedelta = timedelta(hours=24)
    credits_low_percent: int = 10

    def __post_init__(self) -> None:
        if not 0 <= self.credits_low_percent <= 100:
            raise ImproperlyConfigured("CREDITS_LOW_PERCENT is from 0 to 100.")
        if not timedelta(minutes=1) <= self.snapshot_life <= LONGEST_SNAPSHOT_LIFE:
            raise ImproperlyConfigured("SNAPSHOT_LIFE is from 60 to 604800 seconds.")

    @classmethod
    def from_env(cls, env: Env) -> "EntitlementsSettings":
        return cls(
            snapshot_life=timedelta(seconds=env.int("SNAPSHOT_LIFE", default=86_400)),
            credits_low_percent=env.int("CREDITS_LOW_PERCENT", default=10),
        )
