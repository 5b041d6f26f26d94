from django.db import models
from django.db.models import F


class HeldEntry(models.Model):
    """An entry of a stream whose effect has failed, or that waits behind such an entry.

    Entries of one ``lane``, for instance of one customer, keep their order: the first of a lane is
    tried again after a pause, and the others after it. One that has failed too often is parked and
    waits for an operator. Entries without a lane wait for no other.
    """

    consumer = models.CharField(max_length=64)
    stream = models.CharField(max_length=128)
    entry_id = models.CharField(max_length=41)
    message_id = models.CharField(max_length=192)
    lane = models.CharField(max_length=64, blank=True)
    fields = models.TextField(
        blank=True, help_text="JSON as text, which can hold the NUL that jsonb refuses."
    )
    failures = models.PositiveIntegerField(default=0)
    error = models.CharField(max_length=1000, blank=True)
    held_at = models.DateTimeField()
    next_try_at = models.DateTimeField()
    parked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "held bus entry"
        verbose_name_plural = "held bus entries"
        constraints = [
            models.UniqueConstraint(fields=["consumer", "message_id"], name="held_entry_key")
        ]
        indexes = [
            models.Index(fields=["consumer", "lane", "id"], name="held_by_lane"),
            models.Index(
                F("parked_at"),
                condition=models.Q(parked_at__isnull=False),
                name="held_parked",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.consumer} {self.message_id}"
