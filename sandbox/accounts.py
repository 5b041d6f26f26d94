"""Stripe accounts and their API keys. An account sees only its own objects."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.errors import StripeFailure, unauthorized
from sandbox.objects import Object
from sandbox.permissions import Permissions, check_permission_names
from sandbox.resources import account as account_resource

if TYPE_CHECKING:
    from sandbox.world import World

SYSTEM = "_system"


@dataclass(frozen=True)
class Caller:
    """The account and the permissions of the API key that sent a request."""

    account: str
    permissions: Permissions


def open_account(
    world: World, *, account_id: str, secret_key: str, permissions: Iterable[str] | None = None
) -> None:
    """Create the account and its key if they are missing. A revoked key stays revoked.

    With ``permissions`` the key is a restricted key (``rk_test_…``) with these permissions only.
    Raises ``ValueError`` for a permission that Stripe does not have.
    """
    granted = None if permissions is None else sorted(permissions)
    check_permission_names(granted or ())
    key: Object = {
        "object": "_secret_key",
        "id": secret_key,
        "account": account_id,
        "revoked": False,
        "permissions": granted,
    }
    with world.lock:
        if world.store.get((SYSTEM, "_secret_key", secret_key)) is None:
            world.store.write([((SYSTEM, "_secret_key", secret_key), key)])
        if world.store.get((account_id, "account", account_id)) is None:
            body = account_resource.build_account(account_id, created=world.clock.now())
            world.store.write([((account_id, "account", account_id), body)])


def revoke_key(world: World, secret_key: str) -> None:
    """Revoke the key: requests with it get 401 ``api_key_expired``."""
    key = (SYSTEM, "_secret_key", secret_key)
    with world.lock:
        stored = world.store.get(key)
        if stored is None:
            raise KeyError("That secret key was never given to an account.")
        world.store.write([(key, {**stored, "revoked": True})])


def list_account_ids(world: World) -> list[str]:
    """Ids of all accounts, oldest first."""
    with world.lock:
        keys = world.store.kind(SYSTEM, "_secret_key").values()
        return list(dict.fromkeys(key["account"] for key in keys))


def authenticate(world: World, authorization: str | None, stripe_account: str | None) -> Caller:
    """Find the account and permissions of a request's API key.

    Raises 401 or 403 with Stripe's text.
    """
    secret_key = _bearer_token(authorization)
    stored = world.store.get((SYSTEM, "_secret_key", secret_key))
    if stored is None:
        raise unauthorized(f"Invalid API Key provided: {mask_key(secret_key)}")
    if stored["revoked"]:
        raise unauthorized(
            f"Expired API Key provided: {mask_key(secret_key)}", code="api_key_expired"
        )
    account: str = stored["account"]
    if stripe_account not in (None, account):
        raise StripeFailure(
            f"The provided key '{mask_key(secret_key)}' does not have access to account "
            f"'{stripe_account}' (or that account does not exist). "
            "Application access may have been revoked.",
            status=403,
            code="account_invalid",
        )
    granted = stored.get("permissions")
    return Caller(account, Permissions(granted, key=mask_key(secret_key), account=account))


def mask_key(secret_key: str) -> str:
    """The key as Stripe shows it: first 8 characters, asterisks, last 4 characters."""
    return f"{secret_key[:8]}{'*' * max(len(secret_key) - 12, 4)}{secret_key[-4:]}"


def _bearer_token(authorization: str | None) -> str:
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise unauthorized(
            "You did not provide an API key. You need to provide your API key in the "
            "Authorization header, using Bearer auth (e.g. 'Authorization: Bearer "
            "YOUR_SECRET_KEY'). See https://docs.stripe.com/authentication for details."
        )
    return token.strip()
