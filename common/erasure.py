"""Erase personal data of a customer: names, addresses and texts that people wrote.

Ids of ours and of Stripe's, amounts, times and codes stay under a pseudonym, for bookkeeping.
"""

import re
from dataclasses import dataclass
from typing import Any

ERASED = "[erased]"
"""Replaces a text that must not be empty by law or by a constraint."""
SHORTEST = 4
"""Characters that a name needs to be replaced inside other text: ``1`` would match everywhere."""
FREE_TEXT = frozenset(
    {"metadata", "description", "email", "customer_email", "phone", "address", "shipping", "note"}
)
"""Members whose whole content people write freely."""
ADDRESSES = frozenset({"url", "success_url", "cancel_url", "return_url"})
"""Members with URLs of a person's pages, or with query parameters of the tenant."""
REASONS = frozenset({"reason", "revoked_reason"})
_CODE = re.compile(r"[a-z0-9_]*")
"""A reason from a closed list; such reasons stay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """The person to erase: their names and their pseudonym."""

    user_id: str
    pseudonym: str
    names: tuple[str, ...] = ()

    def without(self, value: Any) -> Any:
        """The JSON value without the person's data."""
        if isinstance(value, dict):
            return {name: self._member(name, member) for name, member in value.items()}
        if isinstance(value, list):
            return [self.without(member) for member in value]
        return self._text(value) if isinstance(value, str) else value

    def _member(self, name: str, value: Any) -> Any:
        if name in FREE_TEXT:
            return _emptied(value)
        if name in ADDRESSES:
            return "" if value else value
        if name in REASONS and isinstance(value, str):
            return value if _CODE.fullmatch(value) else ERASED
        return self.without(value)

    def _text(self, text: str) -> str:
        if text == self.user_id:
            return self.pseudonym
        for name in (self.user_id, *self.names):
            if len(name) >= SHORTEST:
                text = text.replace(name, self.pseudonym)
        return text


def _emptied(value: Any) -> Any:
    """The empty value of the same type."""
    return type(value)() if isinstance(value, dict | list | str) else value
