from django.db import models

from common.models import ProjectOwned, tenant_links


class Total(ProjectOwned):
    """What the records of one customer, meter and hour (UTC) come to, kept with every record.

    Voided records do not count. Of a ``unique`` meter only ``count`` is kept: how many different
    values there were follows from the records. Records have no foreign keys, for the sake of speed;
    the keys of this table refuse the customer or meter of another project for both, because a
    record and its total are written in one transaction.
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

    class Meta:
        constraints = [
            *tenant_links(
                "usage_total", [("customer", "projects.Customer"), ("meter", "usage.Meter")]
            )
        ]

    def __str__(self) -> str:
        return f"{self.customer_id} {self.meter_id} {self.hour}"
