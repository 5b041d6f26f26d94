import pgtrigger
from django.db import models

from common.ids import PublicIdField
from common.models import ProjectOwned, tenant_key
from common.partitions import MonthlyTable

OUTBOX_MONTHS = MonthlyTable("events_outboxevent", column="id", id_prefix="evt")


class OutboxEvent(ProjectOwned):
    """An event for tenants, written in the transaction of the change.

    ``subject`` is the id of the row that changed, ``version`` the customer's version after the
    change. ``relayed_at`` is empty until a relay has delivered the event.

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
    relayed_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        constraints = [tenant_key("events_outboxevent")]
        indexes = [
            models.Index(
                fields=["id"],
                condition=models.Q(relayed_at__isnull=True),
                name="outbox_not_relayed",
            ),
            models.Index(fields=["project", "customer_id", "-id"], name="outbox_by_customer"),
        ]
        triggers = [pgtrigger.Protect(name="keep_outbox_events", operation=pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.type} {self.id}"
