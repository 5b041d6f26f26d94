"""From a bearer key to who is calling: one query, no write; none where a moment's delay is fine."""

from datetime import datetime

from projects.keys import bearer_keys as keys
from projects.keys import key_cache
from projects.keys.credentials import PlatformCredential, ProjectCredential
from projects.keys.key_cache import Kept
from projects.keys.scopes import ALL, OF_AN_APP
from projects.models import ApiKey, PlatformKey


def find(*, secret: str, at: datetime) -> ProjectCredential | PlatformCredential | None:
    """Whose key this is, or None when it opens nothing at that moment.

    Whether the project is suspended is left to the caller, who can say so.
    """
    if not keys.looks_like_key(secret):
        return None
    if secret.startswith("tg_platform_"):
        return _platform(keys.digest(secret), at)
    kept = _project(keys.digest(secret), at)
    return None if kept is None else kept.credential


def find_quickly(*, secret: str, at: datetime) -> ProjectCredential | None:
    """Which project's key this is, as this process remembers it: a key that was revoked a moment
    ago may still open something, for less than five seconds. No query when it is known. None for a
    suspended project's, too."""
    digest = keys.digest(secret)
    found = key_cache.cache.find(digest, at=at)
    if found is not None:
        return found
    if not keys.looks_like_key(secret) or secret.startswith("tg_platform_"):
        return None
    begun = key_cache.cache.begin()
    kept = _project(digest, at)
    if kept is None or kept.credential.project.suspended_at is not None:
        return None
    key_cache.cache.keep(digest, kept, begun=begun)
    return kept.credential


def _platform(digest: str, at: datetime) -> PlatformCredential | None:
    key = PlatformKey.objects.filter(digest=digest).first()
    if key is None or not key.is_live(at):
        return None
    return PlatformCredential(key_id=key.pk, last_used_at=key.last_used_at)


def _project(digest: str, at: datetime) -> Kept | None:
    key = (
        ApiKey.objects.across_projects()
        .select_related("project", "app")
        .filter(digest=digest)
        .first()
    )
    if key is None or not key.is_live(at) or (key.app and key.app.archived_at):
        return None
    allowed = ALL if key.app_id is None else OF_AN_APP
    credential = ProjectCredential(
        key_id=key.pk,
        project=key.project,
        scopes=frozenset(key.scopes).intersection(allowed),
        app_id=key.app_id,
        expires_at=key.expires_at,
        last_used_at=key.last_used_at,
    )
    return Kept(credential, key.expires_at)
