from datetime import datetime, timedelta

from django.db import models

from common.ids import PublicIdField
from common.models import ProjectOwned

KEPT_FOR = timedelta(hours=24)
"""After which a key is new again."""
LEASE_TIME = timedelta(seconds=5)
"""How long a lock holds without renewal."""
LEGACY_LOCK_TIME = timedelta(seconds=60)
"""How long a lock of the previous version holds, which has no lease."""


class IdempotencyRecord(models.Model):
    """An ``Idempotency-Key``: which request it stands for and what was answered.

    ``locked_at`` says that the request is under way, ``status`` that it has been answered; with
    neither it was given back, to be tried again. ``locked_until`` is the end of the lease, by the
    database's clock, which the process that answers renews while it lives. The answer is
    encrypted: it may hold a new key.
    """

    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    locked_at = models.DateTimeField(null=True)
    locked_until = models.DateTimeField(null=True)
    status = models.PositiveSmallIntegerField(null=True)
    headers = models.JSONField(default=dict)
    answer = models.TextField(blank=True)
    created_at = models.DateTimeField()
    lease_left: timedelta | None = None
    """Time left of the lease, on a row from ``idempotency.selectors.lock``."""

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def answer_context(self) -> str:
        """What the encrypted answer is bound to."""
        return f"idempotency_key:{self.pk}:answer"

    def is_over(self, at: datetime) -> bool:
        """Whether the key is new again."""
        return self.created_at + KEPT_FOR <= at


class IdempotencyKey(ProjectOwned, IdempotencyRecord):
    """A key that a project chose."""

    id = PublicIdField(prefix="idem")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "key"], name="projects_idempotencykey_key")
        ]
        indexes = [models.Index(fields=["created_at"], name="idempotency_by_age")]


class PlatformIdempotencyKey(IdempotencyRecord):
    """A key that the holder of a platform key chose."""

    id = PublicIdField(prefix="idem")
    platform_key = models.ForeignKey(
        "projects.PlatformKey", on_delete=models.CASCADE, related_name="+"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["platform_key", "key"], name="projects_platformidempotencykey_key"
            )
        ]
        indexes = [models.Index(fields=["created_at"], name="platform_idempotency_by_age")]
