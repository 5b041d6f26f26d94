from django.db import models


class PendingEvent(models.Model):
    """A recorded event that has no position in the log yet.

    A trigger adds the row in the transaction of the event, so that no way of recording can forget
    it, an older version of the code included. ``n`` grows in the order of recording. The sequencer
    deletes the row when it gives the event its position.
    """

    n = models.BigAutoField(primary_key=True)
    event_id = models.CharField(max_length=30)
    project_id = models.CharField(max_length=30)
    customer_id = models.CharField(max_length=64, blank=True)
    type = models.CharField(max_length=64)
    version = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.n} {self.event_id}"
