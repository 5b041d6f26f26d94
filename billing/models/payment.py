from django.contrib.postgres.indexes import GinIndex
from django.db import models

from billing.models.mirror import mirror_key
from billing.models.outbound import Outbound
from common.ids import PublicIdField
from common.models import tenant_key, tenant_links
from common.money import Money


class PaymentStatus(models.TextChoices):
    """The status of a payment that tenants see."""

    PENDING = "pending", "Pending"
    PROCESSING = "processing", "Processing"
    REQUIRES_ACTION = "requires_action", "Requires action"
    PAID = "paid", "Paid"
    FAILED = "failed", "Failed"
    EXPIRED = "expired", "Expired"
    CANCELED = "canceled", "Canceled"
    REFUNDED = "refunded", "Refunded"
    PARTIALLY_REFUNDED = "partially_refunded", "Partially refunded"
    DISPUTED = "disputed", "Disputed"


UNPAID = (PaymentStatus.PENDING, PaymentStatus.REQUIRES_ACTION, PaymentStatus.FAILED)
"""The same statuses as in the condition of the index ``payment_by_expiry``."""


class PaymentType(models.TextChoices):
    """What the payment is for; empty on a payment that was not created through this service."""

    SUBSCRIPTION = "subscription", "Subscription"
    ITEM = "item", "One-time item"
    CART = "cart", "Cart"
    INTENT = "intent", "Intent"


class Payment(Outbound):
    """A PaymentIntent with its latest charge. Amounts in minor units.

    ``reference`` is the tenant's own name for the payment, unique in the project for ever.
    ``stripe_id`` is empty until there is a PaymentIntent: for a checkout, until the buyer pays.
    ``workflow_id`` names the tenant's workflow that waits for the payment (delivery/signals).
    """

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
    type = models.CharField(max_length=12, choices=PaymentType.choices, blank=True)
    detected = models.JSONField(default=dict, blank=True, help_text="What was inferred, and why.")
    reference = models.CharField(max_length=255, blank=True)
    description = models.CharField(max_length=500, blank=True)
    workflow_id = models.CharField(max_length=250, blank=True, default="", db_default="")
    status = models.CharField(
        max_length=20, choices=PaymentStatus.choices, default=PaymentStatus.PENDING
    )
    stripe_status = models.CharField(max_length=32, blank=True)
    client_secret = models.TextField(blank=True, editable=False)
    off_session = models.BooleanField(default=False)
    save_payment_method = models.BooleanField(default=False)
    payment_method_type = models.CharField(max_length=40, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    expired_at = models.DateTimeField(null=True, blank=True)
    expiry_leased_until = models.DateTimeField(null=True, editable=False)
    cancel_asked_at = models.DateTimeField(
        null=True, blank=True, help_text="When the project requested the cancellation."
    )
    invoice_stripe_id = models.CharField(max_length=255, blank=True)
    currency = models.CharField(max_length=3)
    amount = models.BigIntegerField()
    amount_received = models.BigIntegerField(default=0)
    amount_refunded = models.BigIntegerField(default=0)
    refunded_lines = models.JSONField(
        default=dict,
        db_default={},
        blank=True,
        help_text="Refunded amounts by line.",
    )
    amount_disputed = models.BigIntegerField(
        default=0, help_text="Withheld by open disputes, or lost to them."
    )
    failure_code = models.CharField(max_length=64, blank=True)
    failure_message = models.TextField(blank=True)
    paid_at = models.DateTimeField(null=True, blank=True)
    metadata = models.JSONField(default=dict, blank=True)

    class Meta:
        constraints = [
            tenant_key("billing_payment"),
            mirror_key("billing_payment"),
            models.UniqueConstraint(
                fields=["project", "reference"],
                condition=~models.Q(reference=""),
                name="billing_payment_reference_key",
            ),
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
            models.Index(
                fields=["project", "paid_at"],
                include=["currency", "amount_received"],
                condition=models.Q(paid_at__isnull=False),
                name="revenue_by_time",
            ),
            models.Index(fields=["account", "stripe_id"], name="owner_by_payment"),
            models.Index(
                fields=["expires_at"],
                condition=models.Q(expires_at__isnull=False, expired_at__isnull=True)
                & models.Q(status__in=["pending", "requires_action", "failed"]),
                name="payment_by_expiry",
            ),
            models.Index(
                fields=["project", "checkout"],
                condition=models.Q(checkout__isnull=False),
                name="payment_by_checkout",
            ),
            models.Index(
                fields=["project", "workflow_id"],
                condition=~models.Q(workflow_id=""),
                name="payment_by_workflow",
            ),
            GinIndex(fields=["metadata"], opclasses=["jsonb_path_ops"], name="payment_by_metadata"),
        ]

    def __str__(self) -> str:
        return f"{Money(self.amount, self.currency)} ({self.status})"

    @property
    def secret_context(self) -> str:
        """Encryption context that binds the client secret to this row."""
        return f"payment:{self.pk}:client_secret"
