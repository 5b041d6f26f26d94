from django.db import models


class BusCheckpoint(models.Model):
    """How far a consumer has read a stream: it has dealt with everything up to ``entry_id``.

    ``epoch`` is the history of positions in which it has read. The row is locked while an entry is
    dealt with, so that all processes of a consumer together keep the order.
    """

    consumer = models.CharField(max_length=64)
    stream = models.CharField(max_length=128)
    epoch = models.CharField(max_length=32, blank=True)
    entry_id = models.CharField(max_length=41, default="0-0")
    moved_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["consumer", "stream"], name="bus_checkpoint_key")
        ]

    def __str__(self) -> str:
        return f"{self.consumer} {self.stream} {self.entry_id}"
