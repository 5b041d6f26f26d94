from django.db import models

from common.ids import PublicIdField
from common.models import ProjectOwned, tenant_key, tenant_links


class InboundUser(ProjectOwned):
    """The newest version of a user that an auth service has sent: older ones change nothing.

    It outlives the customer's erasure, and holds a digest instead of the ``user_id``.
    ``customer`` is who the user was at that version; empty after a deletion.
    """

    id = PublicIdField(prefix="inu")
    digest = models.CharField(max_length=64)
    version = models.BigIntegerField(default=-1, help_text="-1: none yet.")
    customer = models.ForeignKey(
        "projects.Customer",
        on_delete=models.PROTECT,
        related_name="+",
        null=True,
        db_constraint=False,
    )
    changed_at = models.DateTimeField()
    deleted_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            tenant_key("delivery_inbounduser"),
            models.UniqueConstraint(fields=["project", "digest"], name="delivery_inbounduser_key"),
            *tenant_links("delivery_inbounduser", [("customer", "projects.Customer")]),
        ]
        indexes = [
            models.Index(
                fields=["deleted_at"],
                condition=models.Q(deleted_at__isnull=False),
                name="inbounduser_deleted",
            )
        ]

    def __str__(self) -> str:
        return f"{self.digest[:8]} {self.version}"
