"""The credential of a bearer key: one query, or none from the cache."""

from datetime import datetime

from common.prepared_queries import Parameter, PreparedQuery
from projects.keys import bearer_keys, key_cache
from projects.keys.credentials import PlatformCredential, ProjectCredential
from projects.keys.key_cache import CachedKey
from projects.keys.scopes import ALL_SCOPES, APP_SCOPES
from projects.models import ApiKey, PlatformKey

_PROJECT_KEY = PreparedQuery(
    lambda: ApiKey.objects.across_projects().filter(digest=Parameter("digest")),
    related=["project", "app"],
)


def find(*, secret: str, at: datetime) -> ProjectCredential | PlatformCredential | None:
    """The credential of this key; None when it is not live at ``at``.

    The caller checks whether the project is suspended.
    """
    if not bearer_keys.looks_like_key(secret):
        return None
    if secret.startswith("tg_platform_"):
        return _find_platform_credential(bearer_keys.digest(secret), at)
    cached = _find_project_key(bearer_keys.digest(secret), at)
    return None if cached is None else cached.credential


def find_cached(*, secret: str, at: datetime) -> ProjectCredential | None:
    """The project credential of this key, from this process's cache or by one query. A key
    revoked less than five seconds ago may still be accepted. None for a key of a suspended
    project."""
    digest = bearer_keys.digest(secret)
    credential = key_cache.cache.find(digest, at=at)
    if credential is not None:
        return credential
    if not bearer_keys.looks_like_key(secret) or secret.startswith("tg_platform_"):
        return None
    read_at = key_cache.cache.begin()
    key = _find_project_key(digest, at)
    if key is None or key.credential.project.suspended_at is not None:
        return None
    key_cache.cache.keep(digest, key, read_at=read_at)
    return key.credential


def _find_platform_credential(digest: str, at: datetime) -> PlatformCredential | None:
    key = PlatformKey.objects.filter(digest=digest).first()
    if key is None or not key.is_live(at):
        return None
    return PlatformCredential(key_id=key.pk, last_used_at=key.last_used_at)


def _find_project_key(digest: str, at: datetime) -> CachedKey | None:
    key = _PROJECT_KEY.first(digest=digest)
    if key is None or not key.is_live(at) or (key.app and key.app.archived_at):
        return None
    allowed = ALL_SCOPES if key.app_id is None else APP_SCOPES
    credential = ProjectCredential(
        key_id=key.pk,
        project=key.project,
        scopes=frozenset(key.scopes).intersection(allowed),
        app_id=key.app_id,
        expires_at=key.expires_at,
        last_used_at=key.last_used_at,
    )
    return CachedKey(credential, key.expires_at)
