from django.db import models


class Heartbeat(models.Model):
    """When a process that answers no requests last showed that it is alive.

    In the database and not in Redis: a probe must be able to tell a dead worker from a dead Redis.
    """

    name = models.CharField(max_length=40, primary_key=True)
    beaten_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name
