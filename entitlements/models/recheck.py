from django.db import models

from common.ids import PublicIdField
from common.models import BatchRun, tenant_key


class Recheck(BatchRun):
    """A run over all customers after a change of the free tier, for one version of the rules.

    A newer change supersedes it.
    """

    id = PublicIdField(prefix="rck")
    rules_version = models.BigIntegerField()

    class Meta:
        constraints = [tenant_key("entitlements_recheck")]
        indexes = [
            models.Index(
                fields=["next_try_at"],
                condition=models.Q(status="running"),
                name="recheck_due",
            ),
            models.Index(fields=["project", "-id"], name="recheck_by_project"),
        ]

    def __str__(self) -> str:
        return str(self.pk)
