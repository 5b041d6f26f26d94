from django.db import models

from common.ids import PublicIdField
from common.models import ProjectOwned, tenant_key, tenant_links


class CheckState(models.TextChoices):
    PLANNED = "planned", "Planned"
    RUNNING = "running", "Running"
    COMPLETED = "completed", "Completed"


class CheckGrade(models.TextChoices):
    """How an endpoint behaves."""

    A = "A", "Everything is right"
    B = "B", "Safe, but slow, or it refuses repetitions or unknown types"
    C = "C", "It accepts old deliveries, which somebody may have recorded"
    D = "D", "It refuses correct deliveries"
    F = "F", "It accepts deliveries that we have not signed"


class WebhookCheck(ProjectOwned):
    """A conformance check of an endpoint: requests of which some must be refused.

    ``results`` has one entry per case: its name, what came back, and whether that was right. A
    process that dies leaves a check whose lease ends; another one begins it anew.
    """

    id = PublicIdField(prefix="wck")
    endpoint = models.ForeignKey(
        "delivery.WebhookEndpoint",
        on_delete=models.CASCADE,
        db_constraint=False,
        related_name="+",
    )
    event_id = models.CharField(max_length=30)
    state = models.CharField(max_length=10, choices=CheckState.choices, default=CheckState.PLANNED)
    grade = models.CharField(max_length=1, choices=CheckGrade.choices, blank=True)
    results = models.JSONField(default=list)
    leased_until = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            tenant_key("delivery_webhookcheck"),
            *tenant_links("delivery_webhookcheck", [("endpoint", "delivery.WebhookEndpoint")]),
        ]
        indexes = [
            models.Index(
                fields=["created_at"],
                condition=~models.Q(state="completed"),
                name="webhook_check_open",
            ),
            models.Index(fields=["endpoint", "-id"], name="webhook_check_by_endpoint"),
        ]

    def __str__(self) -> str:
        return str(self.pk)
