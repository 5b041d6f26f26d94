from django.db import models

from billing.models.mirror import mirror_key
from billing.models.outbound import Outbound
from common.ids import PublicIdField
from common.models import tenant_key, tenant_links


class StripeCustomer(Outbound):
    """A customer in one Stripe account. Objects of that Stripe customer belong to this row's
    project."""

    id = PublicIdField(prefix="scus")
    customer = models.ForeignKey(
        "projects.Customer", on_delete=models.PROTECT, related_name="+", db_constraint=False
    )
    email = models.CharField(max_length=512, blank=True)
    name = models.CharField(max_length=512, blank=True)
    currency = models.CharField(max_length=3, blank=True)
    balance = models.BigIntegerField(default=0, help_text="Minor units; negative is a credit.")
    delinquent = models.BooleanField(default=False)
    default_method = models.CharField(
        max_length=255,
        null=True,
        blank=True,
        help_text="Default payment method; null while it has not been read from Stripe.",
    )
    subscriptions_follow_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When subscriptions are due to get a new default payment method.",
    )
    deleted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            tenant_key("billing_stripecustomer"),
            mirror_key("billing_stripecustomer"),
            models.UniqueConstraint(
                fields=["project", "account", "customer"],
                condition=models.Q(deleted_at__isnull=True),
                name="billing_stripecustomer_customer_key",
            ),
            *tenant_links("billing_stripecustomer", [("customer", "projects.Customer")]),
        ]
        indexes = [
            models.Index(fields=["account", "stripe_id"], name="owner_by_stripe_customer"),
            models.Index(
                fields=["subscriptions_follow_at"],
                condition=models.Q(subscriptions_follow_at__isnull=False),
                name="default_method_to_follow",
            ),
        ]

    def __str__(self) -> str:
        return self.stripe_id or self.pk
