from datetime import datetime

from django.db import models

from common.ids import PublicIdField
from common.models import ProjectOwned, tenant_key


class InboundSecret(ProjectOwned):
    """A secret with which a project's auth service signs what it sends. The newest has no
    ``expires_at``; the one that it replaced works until then."""

    id = PublicIdField(prefix="ins")
    secret = models.TextField(editable=False)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            tenant_key("delivery_inboundsecret"),
            models.UniqueConstraint(
                fields=["project"],
                condition=models.Q(expires_at__isnull=True),
                name="delivery_inboundsecret_newest",
            ),
        ]

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def secret_context(self) -> str:
        """Encryption context that binds the secret to this row."""
        return f"inbound_secret:{self.pk}:secret"

    def is_live(self, at: datetime) -> bool:
        return self.expires_at is None or at < self.expires_at
