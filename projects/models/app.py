from django.db import models

from common.ids import PublicIdField
from common.models import ProjectOwned, tenant_key


class App(ProjectOwned):
    """A micro-app of a project: it shares customers and catalog, and has keys of its own."""

    id = PublicIdField(prefix="app")
    name = models.CharField(max_length=120)
    slug = models.CharField(max_length=50)
    created_at = models.DateTimeField(auto_now_add=True)
    archived_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            tenant_key("projects_app"),
            models.UniqueConstraint(fields=["project", "slug"], name="projects_app_slug_key"),
        ]

    def __str__(self) -> str:
        return self.name
