"""Take a person out of what has been written about them: names, addresses, texts that people wrote.

What stays are ids of ours and of Stripe's, amounts, times and codes: the books, under a pseudonym.
"""

import re
from dataclasses import dataclass
from typing import Any

ERASED = "[erased]"
"""Stands where a text was that the law or a constraint wants to be there."""
SHORTEST = 4
"""Characters from which on a name is looked for inside of other text: ``1`` is in everything."""
FREE_TEXT = frozenset(
    {"metadata", "description", "email", "customer_email", "phone", "address", "shipping", "note"}
)
"""Members that people fill as they like, and that hold nothing else."""
ADDRESSES = frozenset({"url", "success_url", "cancel_url", "return_url"})
"""Members that lead to a person's pages, or carry what the tenant has put into a query."""
REASONS = frozenset({"reason", "revoked_reason"})
_CODE = re.compile(r"[a-z0-9_]*")
"""A reason of a closed list, which stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who is erased: what they are called, and what they are called from now on."""

    user_id: str
    pseudonym: str
    names: tuple[str, ...] = ()

    def without(self, value: Any) -> Any:
        """The JSON value without them."""
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
    """Nothing, of the same kind."""
    return type(value)() if isinstance(value, dict | list | str) else value
