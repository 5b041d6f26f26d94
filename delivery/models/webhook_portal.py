from django.db import models

from common.ids import PublicIdField
from common.models import ProjectOwned, tenant_key


class WebhookPortal(ProjectOwned):
    """Which links to a project's page of webhooks are valid: those of this generation. Without a
    row it is 0; counting it up revokes all links that exist."""

    id = PublicIdField(prefix="whp")
    generation = models.PositiveIntegerField(default=0)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            tenant_key("delivery_webhookportal"),
            models.UniqueConstraint(fields=["project"], name="delivery_webhookportal_key"),
        ]

    def __str__(self) -> str:
        return f"webhook portal of {self.project_id}"
