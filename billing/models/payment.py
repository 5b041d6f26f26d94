from django.db import models

from billing.models.mirror import Mirror, mirror_key
from common.ids import PublicIdField
from common.models import tenant_key, tenant_links
from common.money import Money


class PaymentStatus(models.TextChoices):
    """Where the money is, as tenants see it."""

    PENDING = "pending", "Pending"
    PROCESSING = "processing", "Processing"
    REQUIRES_ACTION = "requires_action", "Requires action"
    PAID = "paid", "Paid"
    FAILED = "failed", "Failed"
    CANCELED = "canceled", "Canceled"
    REFUNDED = "refunded", "Refunded"
    PARTIALLY_REFUNDED = "partially_refunded", "Partially refunded"


class Payment(Mirror):
    """One attempt to take money: a PaymentIntent with its last charge. Amounts in minor units."""

    id = PublicIdField(prefix="pay")
    customer = models.ForeignKey(
        "projects.Customer", on_delete=models.PROTECT, related_name="+", db_constraint=False
    )
    checkout = models.ForeignKey(
        "billing.Checkout",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="payments",
        db_constraint=False,
    )
    status = models.CharField(max_length=20, choices=PaymentStatus.choices)
    stripe_status = models.CharField(max_length=32)
    currency = models.CharField(max_length=3)
    amount = models.BigIntegerField()
    amount_received = models.BigIntegerField(default=0)
    amount_refunded = models.BigIntegerField(default=0)
    failure_code = models.CharField(max_length=64, blank=True)
    failure_message = models.TextField(blank=True)
    paid_at = models.DateTimeField(null=True, blank=True)
    metadata = models.JSONField(default=dict, blank=True)

    class Meta:
        constraints = [
            tenant_key("billing_payment"),
            mirror_key("billing_payment"),
            models.CheckConstraint(
                condition=models.Q(amount_refunded__gte=0)
                & models.Q(amount_refunded__lte=models.F("amount_received")),
                name="refunded_at_most_received",
            ),
            *tenant_links(
                "billing_payment",
                [("customer", "projects.Customer"), ("checkout", "billing.Checkout")],
            ),
        ]
        indexes = [
            models.Index(fields=["project", "customer", "-id"], name="payment_by_customer"),
            models.Index(fields=["paid_at"], name="payment_by_time"),
        ]

    def __str__(self) -> str:
        return f"{Money(self.amount, self.currency)} ({self.status})"

    @property
    def is_refunded_in_full(self) -> bool:
        return self.amount_received > 0 and self.amount_refunded >= self.amount_received
