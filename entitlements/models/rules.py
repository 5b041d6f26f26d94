from django.db import models

from common.ids import PublicIdField
from common.models import ProjectOwned, tenant_key


class Rules(ProjectOwned):
    """The version of a project's rules; each change of its features or its free tier increments it.

    A cached decision names its version of the rules and is used with no other version.
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
