from django.db import models
from django.db.models.functions import Now


class BackOff(models.Model):
    """A subject of a queue that failed and waits for its next try.

    ``owner`` is the Stripe account or the project that the failure belongs to. ``subject`` is one
    row of the queue or a kind of request; empty for everything of the owner. A subject that failed
    too often is parked until an operator resumes it. The first success deletes the row.
    ``retry_at`` uses the database's clock.
    """

    queue = models.CharField(max_length=40)
    owner = models.CharField(max_length=40)
    subject = models.CharField(max_length=64, blank=True)
    failures = models.PositiveIntegerField(default=1)
    code = models.CharField(max_length=64, blank=True, help_text="Error code.")
    last_error = models.CharField(max_length=1000, blank=True)
    failing_since = models.DateTimeField(db_default=Now())
    retry_at = models.DateTimeField(db_default=Now())
    parked_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["queue", "owner", "subject"], name="common_backoff_key")
        ]
        indexes = [
            models.Index(
                fields=["queue", "parked_at"],
                condition=models.Q(parked_at__isnull=False),
                name="backoff_parked",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.queue} {self.owner} {self.subject}".strip()
