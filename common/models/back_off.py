from django.db import models
from django.db.models.functions import Now


class BackOff(models.Model):
    """Something in a queue that failed and waits before it is tried again.

    ``owner`` is the Stripe account or the project whose trouble it is. ``subject`` names one row of
    the queue, or the kind of request that fails; empty: everything of the owner. A row that has
    failed too often is parked: it waits for a person. The row is deleted by the first success.
    ``retry_at`` is by the database's clock.
    """

    queue = models.CharField(max_length=40)
    owner = models.CharField(max_length=40)
    subject = models.CharField(max_length=64, blank=True)
    failures = models.PositiveIntegerField(default=1)
    code = models.CharField(max_length=64, blank=True, help_text="What went wrong, as a word.")
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
