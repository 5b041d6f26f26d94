from django.contrib.postgres.fields import ArrayField
from django.db import models

from common.ids import PublicIdField
from common.models import ProjectOwned, tenant_key, tenant_links


class UserPermissions(ProjectOwned):
    """The permissions of a customer in the last ``user.permissions_changed`` event."""

    id = PublicIdField(prefix="uper")
    customer = models.ForeignKey(
        "projects.Customer", on_delete=models.PROTECT, related_name="+", db_constraint=False
    )
    permissions = ArrayField(models.CharField(max_length=64), default=list)
    recorded_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "user permissions"
        constraints = [
            tenant_key("entitlements_userpermissions"),
            models.UniqueConstraint(
                fields=["project", "customer"], name="entitlements_userpermissions_key"
            ),
            *tenant_links("entitlements_userpermissions", [("customer", "projects.Customer")]),
        ]

    def __str__(self) -> str:
        return f"permissions of {self.customer_id}"
