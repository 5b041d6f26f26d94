from django.db import models

from common.ids import PublicIdField
from common.models import BatchRun, tenant_key


class Recheck(BatchRun):
    """What holds for everybody in a project has changed, its free tier: each customer whom it
    knows is looked at, and told of where an answer changed. One is for one version of the rules;
    a newer change ends it and looks at everybody again."""

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
