from datetime import datetime

from django.db import models

from common.ids import PublicIdField, time_of
from common.models import ProjectOwned, tenant_links
from common.partitions import MonthlyTable

DELIVERY_MONTHS = MonthlyTable("delivery_webhookdelivery", column="id", id_prefix="whd")


class DeliveryKind(models.TextChoices):
    """Why a delivery was created. Only ``live`` counts for the endpoint's health."""

    LIVE = "live", "The event happened"
    REPLAY = "replay", "Sent again by hand"
    TEST = "test", "A test event"


class DeliveryState(models.TextChoices):
    BEHIND = "behind", "Waits for an earlier event of the customer"
    WAITING = "waiting", "Waiting"
    DONE = "done", "Delivered"
    FAILED = "failed", "Failed"
    CANCELED = "canceled", "Canceled"


class WebhookDelivery(ProjectOwned):
    """One event for one endpoint. It contains no copy of the event.

    ``attempts`` is the fence of a result: one that comes after another result of the same attempt
    changes nothing. ``due_at``: not sent before.

    Partitioned by the month (UTC) in which the id was created.
    """

    id = PublicIdField(prefix="whd", db_collation="C")
    project = models.ForeignKey(
        "projects.Project",
        on_delete=models.PROTECT,
        db_index=False,
        related_name="+",
    )
    endpoint = models.ForeignKey(
        "delivery.WebhookEndpoint",
        on_delete=models.PROTECT,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )
    replay_id = models.CharField(max_length=30, blank=True)
    kind = models.CharField(max_length=8, choices=DeliveryKind.choices)
    event_id = models.CharField(max_length=30)
    event_type = models.CharField(max_length=64)
    position = models.BigIntegerField()
    customer_id = models.CharField(max_length=64, blank=True)
    state = models.CharField(max_length=10, choices=DeliveryState.choices)
    reason = models.CharField(max_length=32, blank=True)
    attempts = models.SmallIntegerField(default=0)
    due_at = models.DateTimeField()
    first_attempt_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "webhook deliveries"
        constraints = [
            *tenant_links("delivery_webhookdelivery", [("endpoint", "delivery.WebhookEndpoint")])
        ]
        indexes = [
            models.Index(fields=["endpoint", "-id"], name="delivery_by_endpoint"),
            models.Index(fields=["project", "event_id"], name="delivery_by_event"),
            models.Index(
                fields=["endpoint", "due_at"],
                condition=models.Q(state="waiting"),
                name="delivery_waiting",
            ),
            models.Index(
                fields=["endpoint", "customer_id", "position"],
                condition=models.Q(state="behind"),
                name="delivery_behind",
            ),
            models.Index(
                fields=["endpoint", "-id"],
                condition=models.Q(state="failed"),
                name="delivery_failed",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event_type} {self.pk}"

    @property
    def created_at(self) -> datetime:
        """The millisecond in which it was created."""
        return time_of(self.pk)
