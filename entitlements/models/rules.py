from django.db import models

from common.ids import PublicIdField
from common.models import ProjectOwned, tenant_key


class Rules(ProjectOwned):
    """The version of a project's rules: raised with every change of its features or its free tier.

    A cached decision names the version under which it was made and is used under no other one.
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
