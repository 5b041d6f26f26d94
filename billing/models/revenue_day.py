from django.db import models

from common.ids import PublicIdField
from common.models import ProjectOwned, tenant_key


class RevenueDay(ProjectOwned):
    """Money that a project took and gave back on one day (UTC) in one currency, in minor units.

    A currency without a row had none on that day. Written by ``billing.analytics.revenue_days``
    alone.
    """

    id = PublicIdField(prefix="rday")
    day = models.DateField()
    currency = models.CharField(max_length=3)
    payments = models.IntegerField(default=0)
    gross = models.BigIntegerField(default=0)
    refunds = models.IntegerField(default=0)
    refunded = models.BigIntegerField(default=0)
    disputes = models.IntegerField(default=0)
    disputed = models.BigIntegerField(default=0)
    counted_at = models.DateTimeField()

    class Meta:
        constraints = [
            tenant_key("billing_revenueday"),
            models.UniqueConstraint(
                fields=["project", "day", "currency"], name="billing_revenueday_key"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.currency}"
