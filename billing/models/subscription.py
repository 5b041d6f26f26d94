from django.db import models

from billing.models.mirror import Mirror, mirror_key
from common.ids import PublicIdField
from common.models import ProjectOwned, tenant_key, tenant_links


class SubscriptionStatus(models.TextChoices):
    """Stripe's own words. An unknown status is stored as it is and gives no access."""

    INCOMPLETE = "incomplete", "Incomplete"
    INCOMPLETE_EXPIRED = "incomplete_expired", "Incomplete, expired"
    TRIALING = "trialing", "Trialing"
    ACTIVE = "active", "Active"
    PAST_DUE = "past_due", "Past due"
    UNPAID = "unpaid", "Unpaid"
    PAUSED = "paused", "Paused"
    CANCELED = "canceled", "Canceled"


ENTITLING = frozenset({SubscriptionStatus.TRIALING, SubscriptionStatus.ACTIVE})
"""Statuses that give access; ``past_due`` gives access only within the grace period."""
ENDED = frozenset({SubscriptionStatus.CANCELED, SubscriptionStatus.INCOMPLETE_EXPIRED})
"""Final statuses."""
LIVE = frozenset(set(SubscriptionStatus) - ENDED - {SubscriptionStatus.INCOMPLETE})
"""Statuses that prevent a second subscription to the same product."""
NOT_SERVED = "void"
"""The pause behavior for a service that is not delivered: invoices are voided. With Stripe's other
pause behaviors the customer keeps access."""


class Subscription(Mirror):
    """A customer's subscription, mirrored from Stripe."""

    id = PublicIdField(prefix="sub")
    customer = models.ForeignKey(
        "projects.Customer", on_delete=models.PROTECT, related_name="+", db_constraint=False
    )
    status = models.CharField(max_length=24)
    started_at = models.DateTimeField()
    anchored_at = models.DateTimeField(
        null=True, blank=True, help_text="The day and time on which its periods begin."
    )
    quotas_anchored_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="The day and time on which its quotas begin again: its first billing day.",
    )
    trial_ends_at = models.DateTimeField(null=True, blank=True)
    cancel_at = models.DateTimeField(null=True, blank=True)
    canceled_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    latest_invoice_stripe_id = models.CharField(max_length=255, blank=True)
    currency = models.CharField(max_length=3, blank=True)
    pause_behavior = models.CharField(
        max_length=24, blank=True, help_text="How its collection is paused, in Stripe's words."
    )
    resumes_at = models.DateTimeField(null=True, blank=True)
    schedule_stripe_id = models.CharField(max_length=255, blank=True)
    scheduled_at = models.DateTimeField(null=True, blank=True)
    scheduled_items = models.JSONField(default=list, blank=True)
    discounts = models.JSONField(default=list, blank=True)
    automatic_tax = models.BooleanField(default=False)
    trial_ending_told_for = models.DateTimeField(null=True, blank=True, editable=False)
    renewal_told_for = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="Start of the last period with a renewal event.",
    )
    metadata = models.JSONField(default=dict, blank=True)

    class Meta:
        constraints = [
            tenant_key("billing_subscription"),
            mirror_key("billing_subscription"),
            *tenant_links("billing_subscription", [("customer", "projects.Customer")]),
        ]
        indexes = [
            models.Index(fields=["project", "customer", "-id"], name="subscription_by_customer"),
            models.Index(fields=["project", "status"], name="subscription_by_status"),
            models.Index(fields=["project", "updated_at"], name="subscription_by_change"),
            models.Index(fields=["project", "started_at"], name="subscription_by_start"),
            models.Index(
                fields=["project", "ended_at"],
                condition=models.Q(ended_at__isnull=False),
                name="subscription_by_end",
            ),
            models.Index(
                fields=["trial_ends_at"],
                condition=models.Q(status="trialing"),
                name="subscription_by_trial_end",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.pk} ({self.status})"

    @property
    def is_entitling(self) -> bool:
        return self.status in ENTITLING

    @property
    def is_live(self) -> bool:
        return self.status in LIVE

    @property
    def has_ended(self) -> bool:
        return self.status in ENDED

    @property
    def is_paused(self) -> bool:
        """Whether it gives no access until it is resumed."""
        return is_paused(self.status, self.pause_behavior)


def is_paused(status: str, pause_behavior: str) -> bool:
    """True for both kinds of pause: Stripe's status, or paused collection of its invoices."""
    return status == SubscriptionStatus.PAUSED or pause_behavior == NOT_SERVED


class SubscriptionItem(ProjectOwned):
    """One price of a subscription, with its quantity and its current period.

    ``price`` is empty when the price is not in our catalog; such an item gives no access.
    """

    id = PublicIdField(prefix="si")
    subscription = models.ForeignKey(
        Subscription, on_delete=models.CASCADE, related_name="items", db_constraint=False
    )
    stripe_id = models.CharField(max_length=255)
    price = models.ForeignKey(
        "billing.Price",
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        db_constraint=False,
    )
    price_stripe_id = models.CharField(max_length=255)
    quantity = models.PositiveIntegerField(default=1)
    period_start = models.DateTimeField()
    period_end = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        constraints = [
            tenant_key("billing_subscriptionitem"),
            models.UniqueConstraint(
                fields=["project", "subscription", "stripe_id"],
                name="billing_subscriptionitem_stripe_id_key",
            ),
            *tenant_links(
                "billing_subscriptionitem",
                [("subscription", "billing.Subscription"), ("price", "billing.Price")],
            ),
        ]
        indexes = [models.Index(fields=["project", "price_stripe_id"], name="item_by_stripe_price")]

    def __str__(self) -> str:
        return f"{self.quantity} x {self.price_stripe_id}"
