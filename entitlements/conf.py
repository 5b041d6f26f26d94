from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class EntitlementsSettings:
    """How long a cached answer may live (docs/rules.md, R15: never longer than 30 s)."""

    cache_ttl: timedelta = timedelta(seconds=30)
