"""Read single fields of a Stripe object: absent, null, an id or the expanded object."""

from datetime import UTC, datetime
from typing import Any

from stripe import StripeObject

OUR_ID = "tollgate_id"
"""The metadata key that names our row in every object that we create at Stripe."""
RESERVED = "tollgate"
"""Metadata keys with this prefix are ours; tenants cannot set them."""
PAGE = 100
"""Largest page of a list at Stripe."""

Fields = dict[str, Any]


def plain(answer: StripeObject) -> Fields:
    """The SDK's object as plain data; decimals become strings."""
    return answer.to_dict(for_json=True)


def moment(seconds: int | None) -> datetime | None:
    """An aware UTC datetime from Stripe's Unix seconds; None stays None."""
    return None if seconds is None else instant(seconds)


def instant(seconds: int) -> datetime:
    """An aware UTC datetime from Stripe's Unix seconds."""
    return datetime.fromtimestamp(seconds, tz=UTC)


def reference(value: Any) -> str | None:
    """The id in a field that holds an id, the expanded object or null."""
    return text(value["id"] if isinstance(value, dict) else value) or None


def text(value: Any) -> str:
    """The string; null becomes an empty string. Raises TypeError for any other type."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError(f"Stripe promises a string here, not {type(value).__name__}.")
    return value


def common(fields: Fields) -> dict[str, Any]:
    """The members that all snapshots share."""
    metadata: dict[str, str] = fields["metadata"] or {}
    return {
        "stripe_id": fields["id"],
        "our_id": our_id(fields),
        "metadata": {key: value for key, value in metadata.items() if not key.startswith(RESERVED)},
        "created_at": instant(fields["created"]),
    }


def our_id(fields: Fields) -> str | None:
    """The id of our row that the object's metadata names; None without one."""
    return (fields.get("metadata") or {}).get(OUR_ID) or None


def labelled(our_row: str, metadata: dict[str, str] | None = None) -> dict[str, str]:
    """Metadata for an object that we create: the tenant's own, plus the id of our row."""
    return {**(metadata or {}), OUR_ID: our_row}


def page(after: str | None, **params: Any) -> Any:
    """Parameters of a list request: from the start, or behind the object ``after``."""
    return {"limit": PAGE, **({"starting_after": after} if after else {}), **params}
