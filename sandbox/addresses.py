"""Postal addresses of customers, payment methods and checkout sessions."""

from __future__ import annotations

from sandbox.objects import Object, Params

PARTS = ("city", "country", "line1", "line2", "postal_code", "state")


def build_address(params: Params | str | None) -> Object | None:
    """An address with all six fields; fields that were not sent are null.

    None for an empty string.
    """
    return {part: params.get(part) for part in PARTS} if isinstance(params, dict) else None
