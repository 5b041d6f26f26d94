from django.db import models


class Heartbeat(models.Model):
    """The last sign of life of a process that answers no requests.

    It is stored in the database, not in Redis, so that a probe can tell a dead worker from a dead
    Redis.
    """

    name = models.CharField(max_length=40, primary_key=True)
    beaten_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name
