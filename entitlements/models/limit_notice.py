from django.db import models

from common.ids import PublicIdField
from common.models import ProjectOwned, tenant_key, tenant_links


class LimitNotice(ProjectOwned):
    """The highest threshold of a metered feature for which an event was recorded.

    It belongs to one window of one limit; another window or limit starts from the lowest threshold
    again.
    """

    id = PublicIdField(prefix="ntc")
    customer = models.ForeignKey(
        "projects.Customer", on_delete=models.PROTECT, related_name="+", db_constraint=False
    )
    feature = models.ForeignKey(
        "entitlements.Feature", on_delete=models.PROTECT, related_name="+", db_constraint=False
    )
    period = models.CharField(max_length=40)
    starts_at = models.DateTimeField()
    limit = models.BigIntegerField()
    percent = models.PositiveSmallIntegerField(help_text="The highest threshold with an event.")
    told_at = models.DateTimeField()

    class Meta:
        constraints = [
            tenant_key("entitlements_limitnotice"),
            models.UniqueConstraint(
                fields=["project", "customer", "feature"], name="entitlements_limitnotice_key"
            ),
            *tenant_links(
                "entitlements_limitnotice",
                [("customer", "projects.Customer"), ("feature", "entitlements.Feature")],
            ),
        ]

    def __str__(self) -> str:
        return f"{self.customer_id} {self.feature_id} {self.percent} %"

    def is_same_limit_as(self, other: "LimitNotice") -> bool:
        """Whether both belong to the same window of the same limit."""
        return (self.period, self.starts_at, self.limit) == (
            other.period,
            other.starts_at,
            other.limit,
        )
