from django.db import models

from common.ids import PublicIdField
from common.models import ProjectOwned, tenant_key


class SuppressionReason(models.TextChoices):
    BOUNCED = "bounced", "Bounced"
    COMPLAINED = "complained", "Complained"


class MailSuppression(ProjectOwned):
    """An address to which a project's mail no longer goes, as a digest of its compared form."""

    id = PublicIdField(prefix="sup")
    digest = models.CharField(max_length=64, editable=False)
    reason = models.CharField(max_length=12, choices=SuppressionReason.choices)
    notification = models.CharField(max_length=64, help_text="The message that came back.")
    recipient = models.CharField(max_length=64)
    created_at = models.DateTimeField()

    class Meta:
        verbose_name = "undeliverable address"
        verbose_name_plural = "undeliverable mail"
        constraints = [
            tenant_key("delivery_mailsuppression"),
            models.UniqueConstraint(
                fields=["project", "digest"], name="delivery_mailsuppression_key"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.recipient} ({self.reason})"
