from django.db import models

from common.models import ProjectOwned


class Total(ProjectOwned):
    """What the records of one customer, meter and hour (UTC) come to, kept with every record.

    Voided records do not count. Of a ``unique`` meter only ``count`` is kept: how many different
    values there were follows from the records. Without foreign keys, as the records.
    """

    pk = models.CompositePrimaryKey("project", "customer", "meter", "hour")
    customer = models.ForeignKey(
        "projects.Customer", on_delete=models.PROTECT, related_name="+", db_constraint=False
    )
    meter = models.ForeignKey(
        "usage.Meter", on_delete=models.PROTECT, related_name="+", db_constraint=False
    )
    hour = models.DateTimeField()
    count = models.BigIntegerField()
    sum = models.DecimalField(max_digits=38, decimal_places=0)
    max = models.BigIntegerField()
    last = models.BigIntegerField()
    last_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.customer_id} {self.meter_id} {self.hour}"
