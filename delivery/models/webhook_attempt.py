from django.db import models

from common.ids import PublicIdField
from common.models import ProjectOwned
from common.partitions import MonthlyTable

ATTEMPT_MONTHS = MonthlyTable("delivery_webhookattempt", column="id", id_prefix="wha")


class WebhookAttempt(ProjectOwned):
    """One request of a delivery, and what came back. Never changed, but for ``response_body``,
    which is blanked when the event's customer is erased.

    ``phases`` are milliseconds by name; ``request_headers`` are those that we sent, without
    signatures and the values of the endpoint's own headers.

    Partitioned by the month (UTC) in which the id was created.
    """

    id = PublicIdField(prefix="wha", db_collation="C")
    project = models.ForeignKey(
        "projects.Project",
        on_delete=models.PROTECT,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )
    delivery_id = models.CharField(max_length=30)
    endpoint_id = models.CharField(max_length=30)
    customer_id = models.CharField(max_length=64, blank=True)
    number = models.SmallIntegerField()
    sent_at = models.DateTimeField()
    url = models.CharField(max_length=2000)
    address = models.CharField(max_length=45, blank=True)
    status = models.SmallIntegerField(null=True)
    fault = models.CharField(max_length=24, blank=True)
    sentence = models.CharField(max_length=300, blank=True)
    is_reused = models.BooleanField()
    phases = models.JSONField()
    request_headers = models.JSONField()
    body_bytes = models.IntegerField()
    body_digest = models.CharField(max_length=16, help_text="Of SHA-256, the first 16 digits.")
    response_headers = models.JSONField()
    response_body = models.BinaryField()
    is_cut = models.BooleanField()

    class Meta:
        indexes = [
            models.Index(fields=["delivery_id", "number"], name="attempt_by_delivery"),
            models.Index(
                fields=["project", "customer_id"],
                condition=~models.Q(customer_id=""),
                name="attempt_by_customer",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.delivery_id} {self.number}"
