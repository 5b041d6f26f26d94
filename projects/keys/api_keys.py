"""Issue, rotate and revoke keys. The secret is returned once and never stored."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from common.errors import Conflict, DomainError, Invalid
from common.times import rfc3339
from events.audit import audit_trail as audit
from events.catalog import EventType
from events.log import outbox
from projects.keys import bearer_keys, key_cache, representation
from projects.keys.credentials import PlatformCredential, ProjectCredential
from projects.keys.representation import KeyBody
from projects.keys.scopes import ALL_SCOPES, APP_SCOPES
from projects.keys.selectors import api_keys, platform_keys
from projects.models import ApiKey, App, PlatformKey, Project

LAST_USED_RESOLUTION = timedelta(minutes=1)
"""``last_used_at`` is kept to the minute, so that a busy key does not write on each call."""
DEFAULT_OVERLAP = timedelta(hours=24)
"""How long the old key stays live after a rotation."""


class KeyRevoked(Conflict):
    code, title = "key-revoked", "This key has been revoked or replaced."


class AppArchived(Conflict):
    code, title = "app-archived", "The app is archived: its keys are refused."


class ScopesExceeded(DomainError):
    """A key cannot issue, rotate or revoke a key that has a scope which it lacks."""

    status, code, title = 403, "scopes-exceeded", "The key has more scopes than the calling key."


class ExpiryExceeded(DomainError):
    """The expiry of a new key cannot be later than that of the calling key."""

    status, code, title = 403, "expiry-exceeded", "The new key would outlive the calling key."


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKeyRequest:
    """A key to issue: of the project, or of one ``app``; without an expiry it lives until it is
    revoked."""

    name: str
    scopes: Collection[str]
    app: App | None = None
    expires_at: datetime | None = None


def issue(
    *,
    project: Project,
    request: ApiKeyRequest,
    actor: str,
    at: datetime,
    issuer: ProjectCredential | None = None,
    reason: str = "",
) -> tuple[ApiKey, str]:
    """Return a new key and its secret. ``issuer`` is the calling key, if any: the new key has no
    scope that the issuer lacks, and by default the issuer's expiry.

    Raises Invalid for a scope that is unknown or not for an app and for an expiry in the past,
    ScopesExceeded, ExpiryExceeded, AppArchived.
    """
    name, scopes, app = request.name, request.scopes, request.app
    _check_scopes(scopes, app)
    expires_at = request.expires_at or (issuer.expires_at if issuer else None)
    _check_issuer(issuer, scopes=scopes, expires_at=expires_at)
    if expires_at is not None and expires_at <= at:
        raise Invalid("The expiry must lie in the future.", field="expires_at")
    if app is not None and app.archived_at is not None:
        raise AppArchived("Restore the app first.")
    secret = bearer_keys.make(project.mode)
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
        _record_event(EventType.API_KEY_CREATED, key, None, at)
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
    overlap: timedelta = DEFAULT_OVERLAP,
    issuer: ProjectCredential | None = None,
    reason: str = "",
) -> tuple[ApiKey, str]:
    """Return a new key with the same scopes; the old key still works for ``overlap``.

    Raises KeyRevoked, and the errors of :func:`issue`.
    """
    with transaction.atomic():
        key = api_keys.lock(project_id=key.project_id, key_id=key.pk)
        _check_issuer(issuer, scopes=key.scopes, expires_at=key.expires_at)
        if not key.is_live(at) or key.rotated_to_id is not None:
            raise KeyRevoked("Issue a new key instead.")
        successor, secret = issue(
            project=key.project,
            request=ApiKeyRequest(
                name=key.name, scopes=key.scopes, app=key.app, expires_at=key.expires_at
            ),
            actor=actor,
            at=at,
            issuer=issuer,
            reason=reason,
        )
        before = representation.api_key(key)
        key.rotated_to = successor
        key.expires_at = min(filter(None, [key.expires_at, at + overlap]))
        key.save(update_fields=["rotated_to", "expires_at"])
        _invalidate(key)
        _record_event(EventType.API_KEY_ROTATED, key, before, at)
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


def revoke(
    *,
    key: ApiKey,
    actor: str,
    at: datetime,
    issuer: ProjectCredential | None = None,
    reason: str = "",
) -> ApiKey:
    """Refuse requests with this key from now on. Revoking it again changes nothing.

    Raises ScopesExceeded when the key has a scope that ``issuer``, the calling key, lacks.
    """
    with transaction.atomic():
        key = api_keys.lock(project_id=key.project_id, key_id=key.pk)
        _check_rights(issuer, key.scopes)
        if key.revoked_at is None:
            before = representation.api_key(key)
            key.revoked_at = at
            key.save(update_fields=["revoked_at"])
            _invalidate(key)
            _record_event(EventType.API_KEY_REVOKED, key, before, at)
            audit.record(
                actor=actor,
                action="key.revoke",
                subject=key.pk,
                project_id=key.project_id,
                at=at,
                reason=reason,
            )
    return key


def _record_event(event_type: EventType, key: ApiKey, before: KeyBody | None, at: datetime) -> None:
    after = representation.api_key(key)
    outbox.record(
        project_id=key.project_id,
        event_type=event_type,
        subject=key.pk,
        data=after,
        previous=outbox.previous_values(before or {}, after),
        at=at,
    )


def issue_platform(
    *, name: str, actor: str, at: datetime, reason: str = ""
) -> tuple[PlatformKey, str]:
    """Return a new key for the platform's own automation, and its secret."""
    secret = bearer_keys.make("platform")
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
    """Refuse requests with this key from now on. Revoking it again changes nothing."""
    with transaction.atomic():
        key = platform_keys.lock(key_id=key.pk)
        if key.revoked_at is None:
            key.revoked_at = at
            key.save(update_fields=["revoked_at"])
            audit.record(
                actor=actor, action="platform_key.revoke", subject=key.pk, at=at, reason=reason
            )
    return key


def record_use(*, credential: ProjectCredential | PlatformCredential, at: datetime) -> bool:
    """Store ``last_used_at``, to the minute. Returns whether it was written."""
    if is_use_recorded(credential=credential, at=at):
        return False
    if isinstance(credential, ProjectCredential):
        rows = ApiKey.objects.for_project(credential.project)
        rows.filter(pk=credential.key_id).update(last_used_at=at)
    else:
        PlatformKey.objects.filter(pk=credential.key_id).update(last_used_at=at)
    return True


def is_use_recorded(*, credential: ProjectCredential | PlatformCredential, at: datetime) -> bool:
    """Whether ``last_used_at`` is less than a minute old."""
    last_used_at = credential.last_used_at
    return last_used_at is not None and at - last_used_at < LAST_USED_RESOLUTION


def _invalidate(key: ApiKey) -> None:
    digest = key.digest
    transaction.on_commit(lambda: key_cache.invalidate(digest), robust=True)


def _check_scopes(scopes: Collection[str], app: App | None) -> None:
    if unknown := set(scopes) - set(ALL_SCOPES):
        raise Invalid(f"Unknown scopes: {', '.join(sorted(unknown))}.", field="scopes")
    if app is not None and (excess := set(scopes) - set(APP_SCOPES)):
        raise Invalid(
            f"An app's key cannot have {', '.join(sorted(excess))}: that is the project's.",
            field="scopes",
        )


def _check_issuer(
    issuer: ProjectCredential | None, *, scopes: Collection[str], expires_at: datetime | None
) -> None:
    _check_rights(issuer, scopes)
    if issuer is None or issuer.expires_at is None:
        return
    if expires_at is None or expires_at > issuer.expires_at:
        raise ExpiryExceeded(f"The calling key expires at {rfc3339(issuer.expires_at)}.")


def _check_rights(issuer: ProjectCredential | None, scopes: Collection[str]) -> None:
    if issuer is not None and (excess := set(scopes) - issuer.scopes):
        raise ScopesExceeded(f"The calling key lacks {', '.join(sorted(excess))}.")
