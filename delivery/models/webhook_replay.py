from django.db import models

from common.ids import PublicIdField
from common.models import ProjectOwned, tenant_key, tenant_links


class ReplayState(models.TextChoices):
    RUNNING = "running", "Running"
    COMPLETED = "completed", "Completed"
    CANCELED = "canceled", "Canceled"


class WebhookReplay(ProjectOwned):
    """Events that are sent again to one endpoint, in the order of their positions: those behind
    ``position``, up to ``until``. ``position`` moves on as deliveries are created, a few hundred at
    a time."""

    id = PublicIdField(prefix="whr")
    endpoint = models.ForeignKey(
        "delivery.WebhookEndpoint",
        on_delete=models.CASCADE,
        db_constraint=False,
        related_name="+",
    )
    since = models.BigIntegerField()
    until = models.BigIntegerField()
    failed_only = models.BooleanField(default=False)
    position = models.BigIntegerField()
    deliveries = models.BigIntegerField(default=0)
    state = models.CharField(
        max_length=10, choices=ReplayState.choices, default=ReplayState.RUNNING
    )
    actor = models.CharField(max_length=255)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            tenant_key("delivery_webhookreplay"),
            *tenant_links("delivery_webhookreplay", [("endpoint", "delivery.WebhookEndpoint")]),
        ]
        indexes = [
            models.Index(
                fields=["endpoint", "id"],
                condition=models.Q(state="running"),
                name="replay_running",
            ),
        ]

    def __str__(self) -> str:
        return str(self.pk)
