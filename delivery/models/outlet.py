from django.db import models


class Outlet(models.Model):
    """A way out that reads the log of all projects in order, for instance the bus.

    It has dealt with every event up to ``number``. Each way out has a row of its own, so one that
    stands still delays no other.
    """

    name = models.CharField(max_length=32, primary_key=True)
    number = models.BigIntegerField()
    moved_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.name}:{self.number}"
