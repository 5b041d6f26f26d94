from datetime import datetime, timedelta

from django.db import models

from common.ids import PublicIdField
from common.models import ProjectOwned

KEPT_FOR = timedelta(hours=24)
"""Time after which a key can be used for another request."""
LEASE_TIME = timedelta(seconds=5)
"""Duration of a lease without renewal."""
LEGACY_LOCK_TIME = timedelta(seconds=60)
"""Duration of a lock of the previous version, which has no lease."""


class IdempotencyRecord(models.Model):
    """An ``Idempotency-Key`` with its request and the answer.

    ``locked_at`` is set while the request is running, ``status`` once it has been answered; with
    neither, the request may be tried again. ``locked_until`` is the end of the lease, by the
    database's clock; the process that works on the request renews it. The answer is encrypted,
    because it may contain a new key.
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
    """Remaining time of the lease, on a row from ``idempotency.selectors.lock``."""

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def answer_context(self) -> str:
        """Encryption context that binds the answer to this row."""
        return f"idempotency_key:{self.pk}:answer"

    def is_over(self, at: datetime) -> bool:
        """Whether the key can be used for another request."""
        return self.created_at + KEPT_FOR <= at


class IdempotencyKey(ProjectOwned, IdempotencyRecord):
    """A key chosen by a project."""

    id = PublicIdField(prefix="idem")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "key"], name="projects_idempotencykey_key")
        ]
        indexes = [models.Index(fields=["created_at"], name="idempotency_by_age")]


class PlatformIdempotencyKey(IdempotencyRecord):
    """A key chosen by the holder of a platform key."""

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
