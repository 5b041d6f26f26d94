"""From a bearer key to who is calling: one query, no write."""

from datetime import datetime

from projects import keys
from projects.credentials import PlatformCredential, ProjectCredential
from projects.models import ApiKey, PlatformKey


def find(*, secret: str, at: datetime) -> ProjectCredential | PlatformCredential | None:
    """Whose key this is, or None when it opens nothing at that moment."""
    if not keys.looks_like_key(secret):
        return None
    if secret.startswith("tg_platform_"):
        return _platform(keys.digest(secret), at)
    return _project(keys.digest(secret), at)


def _platform(digest: str, at: datetime) -> PlatformCredential | None:
    key = PlatformKey.objects.filter(digest=digest).first()
    if key is None or not key.is_live(at):
        return None
    return PlatformCredential(key_id=key.pk, last_used_at=key.last_used_at)


def _project(digest: str, at: datetime) -> ProjectCredential | None:
    key = (
        ApiKey.objects.across_projects()
        .select_related("project", "app")
        .filter(digest=digest, project__suspended_at__isnull=True)
        .first()
    )
    if key is None or not key.is_live(at) or (key.app and key.app.archived_at):
        return None
    return ProjectCredential(
        key_id=key.pk,
        project=key.project,
        scopes=frozenset(key.scopes),
        app_id=key.app_id,
        last_used_at=key.last_used_at,
    )
