"""Create, recognise and hash bearer keys.

``tg_<mode>_`` and 256 random bits. The random part is as strong as the hash, so a plain SHA-256
suffices; one indexed lookup by digest decides, and no comparison leaks timing.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass

_SHAPE = re.compile(r"tg_(?:test|live|platform)_[A-Za-z0-9_\-]{43}")


@dataclass(frozen=True, slots=True)
class NewSecret:
    """A new key; ``value`` is shown once and not stored."""

    value: str
    prefix: str
    digest: str
    last_four: str

    def __repr__(self) -> str:
        return f"NewSecret({self.prefix}…{self.last_four})"


def make(mode: str) -> NewSecret:
    """A fresh secret for ``test``, ``live`` or ``platform``."""
    prefix = f"tg_{mode}_"
    value = prefix + secrets.token_urlsafe(32)
    return NewSecret(value=value, prefix=prefix, digest=digest(value), last_four=value[-4:])


def digest(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()


def looks_like_key(value: str) -> bool:
    return _SHAPE.fullmatch(value) is not None
