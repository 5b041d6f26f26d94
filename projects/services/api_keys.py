"""Issue, rotate and revoke keys. The secret is returned once and never stored."""

from collections.abc import Collection
from datetime import datetime, timedelta

from django.db import transaction

from common.errors import Conflict, DomainError, Invalid
from events.services import audit
from projects import key_cache, keys
from projects.credentials import PlatformCredential, ProjectCredential
from projects.models import ApiKey, App, PlatformKey, Project
from projects.scopes import ALL
from projects.selectors import api_keys, platform_keys

USE_RESOLUTION = timedelta(minutes=1)
"""``last_used_at`` is kept to the minute, so that a busy key does not write on each call."""
OVERLAP = timedelta(hours=24)
"""How long the old key stays live after a rotation, unless told otherwise."""


class KeyRevoked(Conflict):
    code, title = "key-revoked", "This key has been revoked or replaced."


class AppArchived(Conflict):
    code, title = "app-archived", "The app is archived: its keys open nothing."


class ScopesExceeded(DomainError):
    """A key never hands out more than it may do itself."""

    status, code, title = 403, "scopes-exceeded", "A key cannot give more scopes than it has."


def issue(
    *,
    project: Project,
    name: str,
    scopes: Collection[str],
    actor: str,
    at: datetime,
    app: App | None = None,
    expires_at: datetime | None = None,
    within: Collection[str] | None = None,
    reason: str = "",
) -> tuple[ApiKey, str]:
    """A new key and its secret. ``within`` holds the scopes of the key that asks, if one does.

    Raises Invalid for an unknown scope or an expiry in the past, ScopesExceeded, AppArchived.
    """
    if unknown := set(scopes) - set(ALL):
        raise Invalid(f"Unknown scopes: {', '.join(sorted(unknown))}.", field="scopes")
    _check_within(scopes, within)
    if expires_at is not None and expires_at <= at:
        raise Invalid("The expiry must lie in the future.", field="expires_at")
    if app is not None and app.archived_at is not None:
        raise AppArchived("Restore the app first.")
    secret = keys.make(project.mode)
    with transaction.atomic():
        key = ApiKey.objects.create(
            project=project,
            app=app,
            name=name,
            scopes=sorted(set(scopes)),
            prefix=secret.prefix,
            digest=secret.digest,
            last_four=secret.last_four,
            expires_at=expires_at,
        )
        audit.record(
            actor=actor,
            action="key.issue",
            subject=key.pk,
            project_id=project.pk,
            at=at,
            reason=reason,
            after={"name": name, "scopes": key.scopes, "app": app.pk if app else None},
        )
    return key, secret.value


def rotate(
    *,
    key: ApiKey,
    actor: str,
    at: datetime,
    overlap: timedelta = OVERLAP,
    within: Collection[str] | None = None,
    reason: str = "",
) -> tuple[ApiKey, str]:
    """A successor with the same rights; the old key stays live for ``overlap``.

    Raises KeyRevoked, and what :func:`issue` raises.
    """
    with transaction.atomic():
        key = api_keys.lock(project_id=key.project_id, key_id=key.pk)
        if not key.is_live(at) or key.rotated_to_id is not None:
            raise KeyRevoked("Issue a new key instead.")
        successor, secret = issue(
            project=key.project,
            name=key.name,
            scopes=key.scopes,
            actor=actor,
            at=at,
            app=key.app,
            expires_at=key.expires_at,
            within=within,
            reason=reason,
        )
        key.rotated_to = successor
        key.expires_at = min(filter(None, [key.expires_at, at + overlap]))
        key.save(update_fields=["rotated_to", "expires_at"])
        _forget(key)
        audit.record(
            actor=actor,
            action="key.rotate",
            subject=key.pk,
            project_id=key.project_id,
            at=at,
            reason=reason,
            after={"successor": successor.pk, "live_until": key.expires_at.isoformat()},
        )
    return successor, secret


def revoke(*, key: ApiKey, actor: str, at: datetime, reason: str = "") -> ApiKey:
    """The key opens nothing from now on. Revoking twice is the same as once."""
    with transaction.atomic():
        key = api_keys.lock(project_id=key.project_id, key_id=key.pk)
        if key.revoked_at is None:
            key.revoked_at = at
            key.save(update_fields=["revoked_at"])
            _forget(key)
            audit.record(
                actor=actor,
                action="key.revoke",
                subject=key.pk,
                project_id=key.project_id,
                at=at,
                reason=reason,
            )
    return key


def issue_platform(
    *, name: str, actor: str, at: datetime, reason: str = ""
) -> tuple[PlatformKey, str]:
    """A key for the platform's own automation, and its secret."""
    secret = keys.make("platform")
    with transaction.atomic():
        key = PlatformKey.objects.create(
            name=name, prefix=secret.prefix, digest=secret.digest, last_four=secret.last_four
        )
        audit.record(
            actor=actor,
            action="platform_key.issue",
            subject=key.pk,
            at=at,
            reason=reason,
            after={"name": name},
        )
    return key, secret.value


def revoke_platform(*, key: PlatformKey, actor: str, at: datetime, reason: str = "") -> PlatformKey:
    """The key opens nothing from now on. Revoking twice is the same as once."""
    with transaction.atomic():
        key = platform_keys.lock(key_id=key.pk)
        if key.revoked_at is None:
            key.revoked_at = at
            key.save(update_fields=["revoked_at"])
            audit.record(
                actor=actor, action="platform_key.revoke", subject=key.pk, at=at, reason=reason
            )
    return key


def note_use(*, credential: ProjectCredential | PlatformCredential, at: datetime) -> bool:
    """Remember, to the minute, that the key was used; whether that had to be written down."""
    if is_noted(credential=credential, at=at):
        return False
    if isinstance(credential, ProjectCredential):
        rows = ApiKey.objects.for_project(credential.project)
        rows.filter(pk=credential.key_id).update(last_used_at=at)
    else:
        PlatformKey.objects.filter(pk=credential.key_id).update(last_used_at=at)
    return True


def is_noted(*, credential: ProjectCredential | PlatformCredential, at: datetime) -> bool:
    """Whether a use at that moment is written down already, to the minute."""
    used = credential.last_used_at
    return used is not None and at - used < USE_RESOLUTION


def _forget(key: ApiKey) -> None:
    digest = key.digest
    transaction.on_commit(lambda: key_cache.forget(digest), robust=True)


def _check_within(scopes: Collection[str], within: Collection[str] | None) -> None:
    if within is not None and (excess := set(scopes) - set(within)):
        raise ScopesExceeded(f"The calling key lacks {', '.join(sorted(excess))}.")
