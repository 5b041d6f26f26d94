"""How this app's rows look from outside: the same in the API's answers and in events."""

from typing import Any

from common.times import rfc3339
from projects.models import Customer


def customer(row: Customer) -> dict[str, Any]:
    """The full state of one of the tenant's users."""
    return {
        "id": row.pk,
        "user_id": row.user_id,
        "email": row.email,
        "name": row.name,
        "metadata": row.metadata,
        "version": row.version,
        "created_at": rfc3339(row.created_at),
        "updated_at": rfc3339(row.updated_at),
    }
