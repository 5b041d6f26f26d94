from django.db import models

from common.models import ProjectOwned, tenant_links


class Total(ProjectOwned):
    """The aggregated records of one customer, meter and hour (UTC), updated with every record.

    Voided records do not count. For a ``unique`` meter only ``count`` is kept: the number of
    different values is computed from the records. Records have no foreign keys, for speed. The keys
    of this table refuse a customer or meter of another project for both, because a record and its
    total are written in one transaction.
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
