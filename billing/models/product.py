from django.db import models

from billing.models.mirror import mirror_key
from billing.models.outbound import Outbound
from common.ids import PublicIdField
from common.models import tenant_key


class RefundPolicy(models.TextChoices):
    """What happens to access when its payment is refunded."""

    REVOKE = "revoke", "Ends after a full refund"
    PROPORTIONAL = "proportional", "Limits shrink with the refunded share"
    PERIOD_END = "period_end", "Lasts until the end of the period that was paid"
    KEEP = "keep", "Stays"


class DisputePolicy(models.TextChoices):
    """What happens to access while the bank decides about a disputed payment."""

    HOLD = "hold", "Held until it is decided"
    KEEP = "keep", "Stays until it is decided"


class RenewalPolicy(models.TextChoices):
    """When the credits and quotas of a new period begin."""

    PAID = "paid", "When the period is paid"
    INVOICED = "invoiced", "When the period begins, before it is paid"


class Product(Outbound):
    """Something that a project sells; it entitles its holders to features."""

    id = PublicIdField(prefix="prod")
    name = models.CharField(max_length=250)
    description = models.TextField(blank=True)
    active = models.BooleanField(default=True)
    refund_policy = models.CharField(
        max_length=12, choices=RefundPolicy.choices, default=RefundPolicy.REVOKE
    )
    dispute_policy = models.CharField(
        max_length=8, choices=DisputePolicy.choices, default=DisputePolicy.HOLD
    )
    renewal_policy = models.CharField(
        max_length=8,
        choices=RenewalPolicy.choices,
        default=RenewalPolicy.PAID,
        db_default=RenewalPolicy.PAID,
    )
    custom_price = models.BooleanField(
        default=False, help_text="A plan whose price is agreed with each customer."
    )
    credits_amount = models.BigIntegerField(
        default=0, db_default=0, help_text="Credits that come with each unit; 0 for none."
    )
    credits_priority = models.PositiveSmallIntegerField(default=50, db_default=50)
    credits_expire_after_days = models.PositiveIntegerField(null=True, blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    catalog_version = models.BigIntegerField(
        default=0, db_default=0, help_text="Number of applied changes of what it gives."
    )

    class Meta:
        constraints = [tenant_key("billing_product"), mirror_key("billing_product")]
        indexes = [models.Index(fields=["account", "stripe_id"], name="owner_by_product")]

    def __str__(self) -> str:
        return self.name
