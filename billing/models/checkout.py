from django.db import models

from billing.models.mirror import mirror_key
from billing.models.outbound import Outbound
from common.ids import PublicIdField
from common.models import ProjectOwned, tenant_key, tenant_links


class CheckoutType(models.TextChoices):
    SUBSCRIPTION = "subscription", "Subscription"
    ITEM = "item", "One-time item"
    CART = "cart", "Cart"


class CheckoutStatus(models.TextChoices):
    """Stripe's words; ``opening`` is ours and means that Stripe has not answered yet."""

    OPENING = "opening", "Opening"
    OPEN = "open", "Open"
    COMPLETE = "complete", "Complete"
    EXPIRED = "expired", "Expired"


PAID = frozenset({"paid", "no_payment_required"})


class Checkout(Outbound):
    """A hosted checkout page: who buys what, and how it ended."""

    id = PublicIdField(prefix="chk")
    customer = models.ForeignKey(
        "projects.Customer", on_delete=models.PROTECT, related_name="+", db_constraint=False
    )
    cart = models.ForeignKey(
        "billing.Cart",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_constraint=False,
    )
    type = models.CharField(max_length=12, choices=CheckoutType.choices)
    detected = models.JSONField(default=dict, blank=True, help_text="What was inferred, and why.")
    status = models.CharField(
        max_length=16, choices=CheckoutStatus.choices, default=CheckoutStatus.OPENING
    )
    payment_status = models.CharField(max_length=24, blank=True)
    url = models.TextField(blank=True)
    success_url = models.TextField()
    cancel_url = models.TextField(blank=True)
    currency = models.CharField(max_length=3)
    amount_total = models.BigIntegerField(null=True, help_text="Minor units, as Stripe totals it.")
    amount_subtotal = models.BigIntegerField(null=True, help_text="Minor units.")
    amount_discount = models.BigIntegerField(default=0, help_text="Minor units.")
    amount_tax = models.BigIntegerField(default=0, help_text="Minor units.")
    line_totals = models.JSONField(
        default=list,
        db_default=[],
        blank=True,
        help_text="Of a complete page: the total of each line, by price.",
    )
    trial_period_days = models.PositiveSmallIntegerField(null=True)
    trial_without_card = models.BooleanField(default=False)
    trial_end_behavior = models.CharField(
        max_length=16,
        blank=True,
        help_text="Without a card when the trial ends: cancel, pause or create_invoice.",
    )
    allow_promotion_codes = models.BooleanField(default=False)
    promotion_code = models.ForeignKey(
        "billing.PromotionCode",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_constraint=False,
    )
    coupon = models.ForeignKey(
        "billing.Coupon",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_constraint=False,
    )
    automatic_tax = models.BooleanField(default=False)
    tax_id_collection = models.BooleanField(default=False)
    save_payment_method = models.BooleanField(default=False)
    workflow_id = models.CharField(
        max_length=250, blank=True, default="", db_default="", help_text="Of its payment."
    )
    payment_stripe_id = models.CharField(max_length=255, blank=True)
    subscription_stripe_id = models.CharField(max_length=255, blank=True)
    invoice_stripe_id = models.CharField(max_length=255, blank=True)
    order_key = models.CharField(
        max_length=64,
        blank=True,
        editable=False,
        help_text="The same on pages that sell the same to the same customer.",
    )
    metadata = models.JSONField(default=dict, blank=True)
    expires_at = models.DateTimeField(null=True)
    completed_at = models.DateTimeField(null=True)
    payment_failed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            tenant_key("billing_checkout"),
            mirror_key("billing_checkout"),
            *tenant_links(
                "billing_checkout",
                [
                    ("customer", "projects.Customer"),
                    ("cart", "billing.Cart"),
                    ("promotion_code", "billing.PromotionCode"),
                    ("coupon", "billing.Coupon"),
                ],
            ),
        ]
        indexes = [
            models.Index(fields=["account", "stripe_id"], name="owner_by_session"),
            models.Index(fields=["project", "customer", "-id"], name="checkout_by_customer"),
            models.Index(fields=["project", "payment_stripe_id"], name="checkout_by_payment"),
            models.Index(fields=["project", "invoice_stripe_id"], name="checkout_by_invoice"),
            models.Index(
                fields=["project", "subscription_stripe_id"], name="checkout_by_subscription"
            ),
        ]

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def is_fulfilled(self) -> bool:
        """Whether the buyer has the purchase: complete, and paid or nothing to pay."""
        return self.status == CheckoutStatus.COMPLETE and self.payment_status in PAID


class CheckoutLine(ProjectOwned):
    """One price of a checkout, with its quantity."""

    id = PublicIdField(prefix="chkl")
    checkout = models.ForeignKey(
        Checkout, on_delete=models.CASCADE, related_name="lines", db_constraint=False
    )
    price = models.ForeignKey(
        "billing.Price", on_delete=models.PROTECT, related_name="+", db_constraint=False
    )
    quantity = models.PositiveIntegerField(default=1)
    fulfilled_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    credits_amount = models.BigIntegerField(
        null=True,
        blank=True,
        help_text="Credits per unit, stored at fulfilment; empty before.",
    )
    credits_priority = models.PositiveSmallIntegerField(null=True, blank=True)
    credits_expire_after_days = models.PositiveIntegerField(null=True, blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            tenant_key("billing_checkoutline"),
            *tenant_links(
                "billing_checkoutline",
                [("checkout", "billing.Checkout"), ("price", "billing.Price")],
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} x {self.price_id}"
