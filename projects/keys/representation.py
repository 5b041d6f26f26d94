"""API keys in responses."""

from typing import Annotated, TypedDict

from common.bodies import Time
from common.times import rfc3339
from projects.keys.scopes import KeyScope
from projects.models import ApiKey


class KeyBody(TypedDict):
    """An API key, without its secret."""

    id: str
    name: str
    app: Annotated[str | None, "Id of its app; null for a key of the whole project."]
    scopes: list[Annotated[str, KeyScope]]
    prefix: str
    last_four: str
    created_at: Time
    expires_at: Time | None
    revoked_at: Time | None
    last_used_at: Annotated[Time | None, "Accurate to the minute."]
    rotated_to: Annotated[str | None, "Id of the key that replaced it, if it was rotated."]


def api_key(row: ApiKey) -> KeyBody:
    """An API key, without its secret."""
    return {
        "id": row.pk,
        "name": row.name,
        "app": row.app_id,
        "scopes": row.scopes,
        "prefix": row.prefix,
        "last_four": row.last_four,
        "created_at": rfc3339(row.created_at),
        "expires_at": rfc3339(row.expires_at),
        "revoked_at": rfc3339(row.revoked_at),
        "last_used_at": rfc3339(row.last_used_at),
        "rotated_to": row.rotated_to_id,
    }
