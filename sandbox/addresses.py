"""Postal addresses, as customers, cards and sessions carry them."""

from __future__ import annotations

from sandbox.objects import Object, Params

PARTS = ("city", "country", "line1", "line2", "postal_code", "state")


def build_address(params: Params | str | None) -> Object | None:
    """A whole address from the parts that were sent; an empty string unsets it."""
    return {part: params.get(part) for part in PARTS} if isinstance(params, dict) else None
