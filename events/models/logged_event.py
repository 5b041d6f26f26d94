from django.db import models

from common.models import ProjectOwned
from common.partitions import MonthlyTable

LOG_MONTHS = MonthlyTable("events_loggedevent", column="event_id", id_prefix="evt")


class LoggedEvent(ProjectOwned):
    """An event's place in the log, given after its transaction has committed.

    Without holes, and in the order of commits: ``number`` over all projects, ``position`` in the
    project, ``sequence`` for the customer (0 without one). A reader who has seen a position has
    seen every earlier one. ``previous_version`` is the highest version that an earlier event of
    the customer carries, 0 for the first.

    Partitioned like the events, by the month (UTC) in which the event's id was created.
    """

    event = models.OneToOneField(
        "events.OutboxEvent",
        on_delete=models.PROTECT,
        primary_key=True,
        db_constraint=False,
        related_name="+",
    )
    project = models.ForeignKey(
        "projects.Project",
        on_delete=models.PROTECT,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )
    number = models.BigIntegerField()
    position = models.BigIntegerField()
    customer_id = models.CharField(max_length=64, blank=True)
    sequence = models.BigIntegerField()
    previous_version = models.BigIntegerField()
    type = models.CharField(max_length=64)

    class Meta:
        verbose_name_plural = "logged events"
        indexes = [
            models.Index(fields=["number"], name="log_by_number"),
            models.Index(fields=["project", "position"], name="log_by_position"),
            models.Index(
                fields=["project", "customer_id", "sequence"],
                condition=models.Q(sequence__gt=0),
                name="log_by_customer",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.project_id}:{self.position} {self.event_id}"
