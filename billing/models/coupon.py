from django.db import models

from billing.models.mirror import mirror_key
from billing.models.outbound import Outbound
from common.ids import PublicIdField
from common.models import tenant_key, tenant_links


class Duration(models.TextChoices):
    """Number of invoices of a subscription to which a discount applies."""

    ONCE = "once", "Once"
    REPEATING = "repeating", "For some months"
    FOREVER = "forever", "Forever"


class Coupon(Outbound):
    """A discount: a percentage, or an amount in one currency.

    In a shared Stripe account ``product_stripe_ids`` is never empty, because a coupon without
    products would apply to the products of every project. ``all_products`` then says that the
    coupon is meant for all products of its project. Stripe cannot add a product to a coupon.
    Therefore a row with an ``original`` requests a coupon at Stripe that covers more products. When
    the original takes over the new coupon, the row keeps the earlier one (``superseded_at``).
    Tenants see originals only.
    """

    id = PublicIdField(prefix="cpn")
    name = models.CharField(max_length=40, blank=True)
    percent_off = models.DecimalField(max_digits=5, decimal_places=2, null=True)
    amount_off = models.BigIntegerField(null=True, help_text="Minor units.")
    currency = models.CharField(max_length=3, blank=True)
    duration = models.CharField(max_length=12, choices=Duration.choices)
    duration_in_months = models.PositiveSmallIntegerField(null=True)
    max_redemptions = models.PositiveIntegerField(null=True)
    times_redeemed = models.PositiveIntegerField(default=0)
    redeem_by = models.DateTimeField(null=True)
    valid = models.BooleanField(default=True)
    product_stripe_ids = models.JSONField(default=list, blank=True)
    all_products = models.BooleanField(default=False, db_default=False)
    metadata = models.JSONField(default=dict, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True)
    original = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="others",
        db_constraint=False,
    )
    superseded_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            tenant_key("billing_coupon"),
            mirror_key("billing_coupon"),
            *tenant_links("billing_coupon", [("original", "billing.Coupon")]),
            models.UniqueConstraint(
                fields=["project", "original"],
                condition=models.Q(original__isnull=False, superseded_at__isnull=True),
                name="one_coming_coupon",
            ),
            models.CheckConstraint(
                condition=models.Q(percent_off__isnull=True) ^ models.Q(amount_off__isnull=True),
                name="percentage_or_amount",
            ),
        ]
        indexes = [models.Index(fields=["account", "stripe_id"], name="owner_by_coupon")]

    def __str__(self) -> str:
        return self.name or str(self.pk)

    @property
    def is_for_all(self) -> bool:
        """Whether it applies to all products of the project."""
        return self.all_products or not self.product_stripe_ids

    @property
    def redeemed(self) -> int:
        """Number of redemptions, under all of its ids at Stripe."""
        return self.times_redeemed + sum(each.times_redeemed for each in self.others.all())

    @property
    def is_used_up(self) -> bool:
        return self.max_redemptions is not None and self.redeemed >= self.max_redemptions


class PromotionCode(Outbound):
    """A code that a buyer enters to get a coupon's discount.

    ``code`` is as the tenant wrote it; at Stripe, the code in a shared account also names the
    project. ``coupon_stripe_id`` is the coupon at Stripe that it belongs to. ``original`` and
    ``superseded_at`` work as for coupons: a code follows its coupon to a new one.
    """

    id = PublicIdField(prefix="promo")
    coupon = models.ForeignKey(
        Coupon, on_delete=models.PROTECT, related_name="promotion_codes", db_constraint=False
    )
    coupon_stripe_id = models.CharField(max_length=255, blank=True, db_default="")
    code = models.CharField(max_length=500)
    active = models.BooleanField(default=True)
    customer = models.ForeignKey(
        "projects.Customer",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_constraint=False,
    )
    max_redemptions = models.PositiveIntegerField(null=True)
    times_redeemed = models.PositiveIntegerField(default=0)
    expires_at = models.DateTimeField(null=True)
    first_time_transaction = models.BooleanField(default=False)
    minimum_amount = models.BigIntegerField(null=True, help_text="Minor units.")
    minimum_amount_currency = models.CharField(max_length=3, blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    original = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="others",
        db_constraint=False,
    )
    superseded_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            tenant_key("billing_promotioncode"),
            mirror_key("billing_promotioncode"),
            *tenant_links(
                "billing_promotioncode",
                [
                    ("coupon", "billing.Coupon"),
                    ("customer", "projects.Customer"),
                    ("original", "billing.PromotionCode"),
                ],
            ),
            models.UniqueConstraint(
                fields=["project", "original"],
                condition=models.Q(original__isnull=False, superseded_at__isnull=True),
                name="one_coming_promotion_code",
            ),
        ]
        indexes = [
            models.Index(fields=["account", "stripe_id"], name="owner_by_promotion_code"),
            models.Index(fields=["project", "code"], name="promotion_code_by_code"),
        ]

    def __str__(self) -> str:
        return self.code

    @property
    def redeemed(self) -> int:
        """Number of redemptions, under all of its ids at Stripe."""
        return self.times_redeemed + sum(each.times_redeemed for each in self.others.all())

    @property
    def is_used_up(self) -> bool:
        return self.max_redemptions is not None and self.redeemed >= self.max_redemptions
