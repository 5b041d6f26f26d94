from django.db import models


class InboxEntry(models.Model):
    """A message that a consumer has accepted, so that its second copy has no effect."""

    pk = models.CompositePrimaryKey("consumer", "message_id")
    consumer = models.CharField(max_length=64)
    message_id = models.CharField(max_length=192)
    accepted_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "inbox entries"
        indexes = [models.Index(fields=["accepted_at"], name="inbox_by_time")]

    def __str__(self) -> str:
        return f"{self.consumer} {self.message_id}"
