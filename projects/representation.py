"""How this app's rows look from outside: the same in the API's answers and in events."""

from datetime import datetime
from typing import Any

from common.times import rfc3339
from projects.models import ApiKey, App, Customer, JwtSettings, Project


def project(row: Project, sign_in: JwtSettings | None) -> dict[str, Any]:
    """The tenant and how it is configured."""
    return {
        "id": row.pk,
        "name": row.name,
        "slug": row.slug,
        "livemode": row.livemode,
        "sells": row.sells,
        "default_currency": row.default_currency or None,
        "return_origins": row.return_origins,
        "grace_days": row.grace_days,
        "automatic_tax": row.automatic_tax,
        "jwt": None if sign_in is None else jwt_settings(sign_in),
        "suspended_at": _moment(row.suspended_at),
        "created_at": rfc3339(row.created_at),
        "updated_at": rfc3339(row.updated_at),
    }


def jwt_settings(row: JwtSettings) -> dict[str, Any]:
    """How the project's users sign in, by everything but the secret."""
    return {
        "jwks_url": row.jwks_url or None,
        "has_shared_secret": bool(row.shared_secret),
        "issuer": row.issuer,
        "audience": row.audience,
        "algorithms": row.algorithms,
    }


def app(row: App) -> dict[str, Any]:
    """A micro-app of a project."""
    return {
        "id": row.pk,
        "name": row.name,
        "slug": row.slug,
        "created_at": rfc3339(row.created_at),
        "archived_at": _moment(row.archived_at),
    }


def api_key(row: ApiKey) -> dict[str, Any]:
    """A key, by everything but its secret."""
    return {
        "id": row.pk,
        "name": row.name,
        "app": row.app_id,
        "scopes": row.scopes,
        "prefix": row.prefix,
        "last_four": row.last_four,
        "created_at": rfc3339(row.created_at),
        "expires_at": _moment(row.expires_at),
        "revoked_at": _moment(row.revoked_at),
        "last_used_at": _moment(row.last_used_at),
        "rotated_to": row.rotated_to_id,
    }


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


def _moment(value: datetime | None) -> str | None:
    return None if value is None else rfc3339(value)
