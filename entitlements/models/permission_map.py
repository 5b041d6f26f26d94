from django.db import models

from common.ids import PublicIdField
from common.models import ProjectOwned, tenant_key


class PermissionMap(ProjectOwned):
    """Which permissions at the tenant's auth service each feature stands for.

    ``permissions`` holds a list of names by feature code. A project without a row has no map, and
    gets no events about permissions.
    """

    id = PublicIdField(prefix="pmap")
    permissions = models.JSONField(default=dict)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            tenant_key("entitlements_permissionmap"),
            models.UniqueConstraint(fields=["project"], name="entitlements_permissionmap_key"),
        ]

    def __str__(self) -> str:
        return f"permissions of {self.project_id}"
