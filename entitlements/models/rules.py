from django.db import models

from common.ids import PublicIdField
from common.models import ProjectOwned, tenant_key


class Rules(ProjectOwned):
    """How often what holds for everybody in a project has changed: its features and its free tier.

    A cached answer names the version that it was made under; one of another version is no answer.
    """

    id = PublicIdField(prefix="rules")
    version = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            tenant_key("entitlements_rules"),
            models.UniqueConstraint(fields=["project"], name="entitlements_rules_project_key"),
        ]

    def __str__(self) -> str:
        return f"{self.project_id} v{self.version}"
