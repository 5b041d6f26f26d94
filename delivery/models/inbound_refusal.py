from django.db import models


class InboundRefusal(models.Model):
    """How many messages of the shared streams named a project that does not follow them, or does
    not exist."""

    name = models.CharField(max_length=64, unique=True)
    count = models.BigIntegerField(default=0)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name
