from django.db import models

from common.ids import PublicIdField
from common.models import ProjectOwned, tenant_key, tenant_links


class Snapshot(ProjectOwned):
    """The customer's last ``entitlements.changed`` event: its version and its time.

    The entitlements follow from the facts. ``changes_at`` is when time alone may change them (a
    trial ends, a grant starts), and another event is due.
    """

    id = PublicIdField(prefix="snap")
    customer = models.ForeignKey(
        "projects.Customer", on_delete=models.PROTECT, related_name="+", db_constraint=False
    )
    version = models.BigIntegerField()
    taken_at = models.DateTimeField()
    changes_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            tenant_key("entitlements_snapshot"),
            models.UniqueConstraint(
                fields=["project", "customer"], name="entitlements_snapshot_customer_key"
            ),
            *tenant_links("entitlements_snapshot", [("customer", "projects.Customer")]),
        ]
        indexes = [
            models.Index(
                fields=["changes_at"],
                condition=models.Q(changes_at__isnull=False),
                name="snapshot_due",
            )
        ]

    def __str__(self) -> str:
        return f"{self.customer_id} v{self.version}"
