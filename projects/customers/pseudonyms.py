"""Pseudonyms of users, for keys of caches."""

import hashlib
from functools import lru_cache


@lru_cache(maxsize=50_000)
def pseudonym(user_id: str) -> str:
    """A stable pseudonym of a ``user_id`` (or ``cus_…``) from which it cannot be derived."""
    return hashlib.sha256(user_id.encode()).hexdigest()[:32]
