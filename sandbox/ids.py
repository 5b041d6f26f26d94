"""Identifiers with Stripe's prefixes. The same seed gives the same ids."""

from __future__ import annotations

import random
import string

ALPHABET = string.ascii_letters + string.digits
SHORT_PREFIXES = {"cus", "prod", "si", "req"}


class IdGenerator:
    def __init__(self, seed: int | None = None) -> None:
        self._random = random.SystemRandom() if seed is None else random.Random(seed)  # noqa: S311

    def new(self, prefix: str) -> str:
        """A new id: ``cus_`` plus 14 characters, ``pi_`` plus 24, ``cs_test_`` plus 58."""
        length = 14 if prefix in SHORT_PREFIXES else 58 if prefix.startswith("cs_") else 24
        return f"{prefix}_{self.token(length)}"

    def token(self, length: int) -> str:
        return "".join(self._random.choices(ALPHABET, k=length))
