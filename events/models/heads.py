from django.db import models

from common.models import ProjectOwned


class LogHead(models.Model):
    """The last number given in the whole log. There is one row; the sequencer locks it.

    ``epoch`` names this history of positions. It is changed when the database is restored from a
    copy, whose positions are then given a second time.
    """

    number = models.BigIntegerField(default=0)
    epoch = models.CharField(max_length=32)

    def __str__(self) -> str:
        return f"{self.epoch}:{self.number}"


class ProjectHead(ProjectOwned):
    """The last position given to an event of a project."""

    project = models.OneToOneField(
        "projects.Project",
        on_delete=models.PROTECT,
        primary_key=True,
        db_constraint=False,
        related_name="+",
    )
    position = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.project_id}:{self.position}"


class CustomerHead(ProjectOwned):
    """The last sequence number given to an event of a customer, and the version that it carries."""

    pk = models.CompositePrimaryKey("project_id", "customer_id")
    project = models.ForeignKey(
        "projects.Project",
        on_delete=models.PROTECT,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )
    customer_id = models.CharField(max_length=64)
    sequence = models.BigIntegerField()
    version = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.customer_id}:{self.sequence}"
