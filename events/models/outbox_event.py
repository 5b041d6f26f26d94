import pgtrigger
from django.db import models

from common.context import CauseType
from common.ids import PublicIdField
from common.models import ProjectOwned, tenant_key
from common.partitions import MonthlyTable

OUTBOX_MONTHS = MonthlyTable("events_outboxevent", column="id", id_prefix="evt")

ENTER_PENDING = """
INSERT INTO events_pendingevent (event_id, project_id, customer_id, type, version)
SELECT id, project_id, customer_id, type, version FROM recorded ORDER BY id;
RETURN NULL;
"""
"""The rows of one statement, in the order in which their ids were made."""


class OutboxEvent(ProjectOwned):
    """An event for tenants, written in the transaction of the change.

    ``subject`` is the id of the row that changed, ``version`` the customer's version after the
    change, ``schema_version`` that of the shape of ``data``. Its place in the log is a
    :class:`~events.models.LoggedEvent`.

    Partitioned by the month (UTC) in which the id was created, so that old events are dropped with
    their partition and ids are unique over all of them. Ids are compared byte by byte (collation
    C), as are the bounds of the partitions.
    """

    id = PublicIdField(prefix="evt", db_collation="C")
    type = models.CharField(max_length=64)
    subject = models.CharField(max_length=64)
    customer_id = models.CharField(max_length=64, blank=True)
    version = models.BigIntegerField(default=0)
    data = models.JSONField()
    previous = models.JSONField(default=dict)
    occurred_at = models.DateTimeField()
    cause_type = models.CharField(
        max_length=16, choices=CauseType.choices, blank=True, db_default=""
    )
    cause_id = models.CharField(max_length=255, blank=True, db_default="")
    traceparent = models.CharField(
        max_length=55, blank=True, db_default="", help_text="What it was recorded in (W3C)."
    )
    schema_version = models.SmallIntegerField(db_default=1)

    class Meta:
        constraints = [tenant_key("events_outboxevent")]
        indexes = [
            models.Index(fields=["project", "customer_id", "-id"], name="outbox_by_customer"),
        ]
        triggers = [
            pgtrigger.Protect(name="keep_outbox_events", operation=pgtrigger.Delete),
            pgtrigger.Trigger(
                name="enter_pending",
                level=pgtrigger.Statement,
                when=pgtrigger.After,
                operation=pgtrigger.Insert,
                referencing=pgtrigger.Referencing(new="recorded"),  # type: ignore[no-untyped-call]
                func=ENTER_PENDING,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.id}"
