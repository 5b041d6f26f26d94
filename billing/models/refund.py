from django.db import models

from billing.models.mirror import mirror_key
from billing.models.outbound import Outbound
from common.ids import PublicIdField
from common.models import tenant_key, tenant_links
from common.money import Money


class Refund(Outbound):
    """A full or partial refund of a payment. ``status`` in Stripe's words."""

    id = PublicIdField(prefix="ref")
    payment = models.ForeignKey(
        "billing.Payment", on_delete=models.PROTECT, related_name="refunds", db_constraint=False
    )
    status = models.CharField(max_length=20)
    currency = models.CharField(max_length=3)
    amount = models.BigIntegerField(help_text="Minor units.")
    reason = models.CharField(max_length=40, blank=True)
    failure_reason = models.CharField(max_length=64, blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    lines = models.JSONField(
        default=list,
        db_default=[],
        blank=True,
        help_text="Refunded lines of the purchase: line, quantity and amount.",
    )
    refunded_at = models.DateTimeField()

    class Meta:
        constraints = [
            tenant_key("billing_refund"),
            mirror_key("billing_refund"),
            *tenant_links("billing_refund", [("payment", "billing.Payment")]),
        ]
        indexes = [
            models.Index(fields=["refunded_at"], name="refund_by_time"),
            models.Index(fields=["project", "refunded_at"], name="refund_by_project_time"),
        ]

    def __str__(self) -> str:
        return f"{Money(self.amount, self.currency)} ({self.status})"
