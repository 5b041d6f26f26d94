"""Issue, rotate and revoke keys. The secret is returned once and never stored."""

from datetime import datetime, timedelta

from django.db import transaction

from common.errors import Conflict, Invalid
from events.services import audit
from projects import keys
from projects.credentials import PlatformCredential, ProjectCredential
from projects.models import ApiKey, App, PlatformKey, Project
from projects.scopes import ALL

USE_RESOLUTION = timedelta(minutes=1)
"""``last_used_at`` is kept to the minute, so that a busy key does not write on each call."""
OVERLAP = timedelta(hours=24)
"""How long the old key stays live after a rotation, unless told otherwise."""


class KeyRevoked(Conflict):
    code, title = "key-revoked", "This key has been revoked or replaced."


def issue(
    *,
    project: Project,
    name: str,
    scopes: list[str],
    actor: str,
    at: datetime,
    app: App | None = None,
    expires_at: datetime | None = None,
    reason: str = "",
) -> tuple[ApiKey, str]:
    """A new key and its secret. Raises Invalid for an unknown scope or an expiry in the past."""
    if unknown := set(scopes) - set(ALL):
        raise Invalid(f"Unknown scopes: {', '.join(sorted(unknown))}.", field="scopes")
    if expires_at is not None and expires_at <= at:
        raise Invalid("The expiry must lie in the future.", field="expires_at")
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
    *, key: ApiKey, actor: str, at: datetime, overlap: timedelta = OVERLAP, reason: str = ""
) -> tuple[ApiKey, str]:
    """A successor with the same rights; the old key stays live for ``overlap``."""
    with transaction.atomic():
        key = ApiKey.objects.for_project(key.project_id).select_for_update().get(pk=key.pk)
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
            reason=reason,
        )
        key.rotated_to = successor
        key.expires_at = min(filter(None, [key.expires_at, at + overlap]))
        key.save(update_fields=["rotated_to", "expires_at"])
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
        key = ApiKey.objects.for_project(key.project_id).select_for_update().get(pk=key.pk)
        if key.revoked_at is None:
            key.revoked_at = at
            key.save(update_fields=["revoked_at"])
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


def revoke_platform(
    *, key: PlatformKey, actor: str, at: datetime, reason: str = ""
) -> PlatformKey:
    """The key opens nothing from now on. Revoking twice is the same as once."""
    with transaction.atomic():
        key = PlatformKey.objects.select_for_update().get(pk=key.pk)
        if key.revoked_at is None:
            key.revoked_at = at
            key.save(update_fields=["revoked_at"])
            audit.record(
                actor=actor, action="platform_key.revoke", subject=key.pk, at=at, reason=reason
            )
    return key


def note_use(*, credential: ProjectCredential | PlatformCredential, at: datetime) -> None:
    """Remember, to the minute, that the key was used."""
    stale = at - USE_RESOLUTION
    if isinstance(credential, ProjectCredential):
        rows = ApiKey.objects.for_project(credential.project).filter(pk=credential.key_id)
    else:
        rows = PlatformKey.objects.filter(pk=credential.key_id)
    rows.exclude(last_used_at__gt=stale).update(last_used_at=at)
