from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class EntitlementsSettings:
    """How long a cached answer may live (RULES: never longer than 30 s)."""

    cache_ttl: timedelta = timedelta(seconds=30)
