"""How single fields of a Stripe object are read: absent, null, an id or the object itself."""

from datetime import UTC, datetime
from typing import Any

from stripe import StripeObject

OUR_ID = "tollgate_id"
"""The metadata key under which everything that we make at Stripe names our row."""
RESERVED = "tollgate"
"""Metadata keys that start like this are ours, never the tenant's."""
PAGE = 100
"""Objects that Stripe lists in one answer at most."""

Fields = dict[str, Any]


def plain(answer: StripeObject) -> Fields:
    """The SDK's object as plain data; decimals become strings."""
    return answer.to_dict(for_json=True)


def named(answer: StripeObject, kind: str, stripe_id: str) -> Fields:
    """As :func:`plain`, for an object that was asked for by its id.

    Raises ValueError when Stripe answers with something else.
    """
    fields = plain(answer)
    if (fields["object"], fields["id"]) != (kind, stripe_id):
        raise ValueError(f"Another object than {kind} {stripe_id} was answered.")
    return fields


def moment(seconds: int | None) -> datetime | None:
    """Stripe's seconds since 1970, as an aware datetime in UTC."""
    return None if seconds is None else instant(seconds)


def instant(seconds: int) -> datetime:
    """As :func:`moment`, for a time that is always there."""
    return datetime.fromtimestamp(seconds, tz=UTC)


def reference(value: Any) -> str | None:
    """The id in a field that holds an id, the expanded object, or nothing."""
    return text(value["id"] if isinstance(value, dict) else value) or None


def text(value: Any) -> str:
    """Stripe's null is our empty string. Raises TypeError for what is no text."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError(f"A text was promised, not {type(value).__name__}.")
    return value


def common(fields: Fields) -> dict[str, Any]:
    """What every snapshot starts with."""
    metadata: dict[str, str] = fields["metadata"] or {}
    return {
        "stripe_id": fields["id"],
        "our_id": our_id(fields),
        "metadata": {key: value for key, value in metadata.items() if not key.startswith(RESERVED)},
        "created_at": instant(fields["created"]),
    }


def our_id(fields: Fields) -> str | None:
    """The row of ours that the object's metadata names, if any."""
    return (fields.get("metadata") or {}).get(OUR_ID) or None


def labelled(our_row: str, metadata: dict[str, str] | None = None) -> dict[str, str]:
    """The metadata of what we make: the tenant's own, and the id of our row."""
    return {**(metadata or {}), OUR_ID: our_row}


def page(after: str | None, **params: Any) -> Any:
    """How a list is asked for: all of it, or what comes after the object with this id."""
    return {"limit": PAGE, **({"starting_after": after} if after else {}), **params}
