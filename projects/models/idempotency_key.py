from django.db import models

from common.models import ProjectOwned


class IdempotencyKey(ProjectOwned):
    """A tenant's ``Idempotency-Key``: which request it stood for and what was answered.

    Kept for 24 hours, after which the key is new again. ``locked_at`` says that the first request
    is still under way; a lock older than the request timeout is a crash and may be taken over.
    """

    id = models.BigAutoField(primary_key=True)
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    locked_at = models.DateTimeField(null=True)
    status = models.PositiveSmallIntegerField(null=True)
    headers = models.JSONField(default=dict)
    body = models.BinaryField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "key"], name="projects_idempotencykey_key")
        ]
        indexes = [models.Index(fields=["created_at"], name="idempotency_by_age")]

    def __str__(self) -> str:
        return self.key
