from django.db import models

from common.ids import PublicIdField
from common.models import ProjectOwned, tenant_key


class MailOptOut(ProjectOwned):
    """A person who has unsubscribed from a kind of message of a project."""

    id = PublicIdField(prefix="opt")
    recipient = models.CharField(max_length=64)
    kind = models.CharField(max_length=40)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            tenant_key("delivery_mailoptout"),
            models.UniqueConstraint(
                fields=["project", "recipient", "kind"], name="delivery_mailoptout_key"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.recipient}: {self.kind}"
