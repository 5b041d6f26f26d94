from fractions import Fraction

import pgtrigger
from django.db import models

from billing.models.mirror import mirror_key
from billing.models.outbound import Outbound
from common.ids import PublicIdField
from common.models import tenant_key, tenant_links
from common.money import Money


class PriceType(models.TextChoices):
    ONE_TIME = "one_time", "One-time"
    RECURRING = "recurring", "Recurring"


class Interval(models.TextChoices):
    DAY = "day", "Day"
    WEEK = "week", "Week"
    MONTH = "month", "Month"
    YEAR = "year", "Year"


BILLINGS_PER_MONTH = {
    Interval.DAY: Fraction(365, 12),
    Interval.WEEK: Fraction(52, 12),
    Interval.MONTH: Fraction(1),
    Interval.YEAR: Fraction(1, 12),
}
"""How often an interval of one is billed in a month: a year has 12 months, 52 weeks or 365 days."""


class Price(Outbound):
    """What a product costs. Amount, currency and interval never change: a change is a new price."""

    id = PublicIdField(prefix="price")
    product = models.ForeignKey(
        "billing.Product", on_delete=models.PROTECT, related_name="prices", db_constraint=False
    )
    nickname = models.CharField(max_length=250, blank=True)
    type = models.CharField(max_length=12, choices=PriceType.choices)
    currency = models.CharField(max_length=3)
    unit_amount = models.BigIntegerField(help_text="Minor units.")
    interval = models.CharField(max_length=8, choices=Interval.choices, blank=True)
    interval_count = models.PositiveSmallIntegerField(default=1)
    meter = models.ForeignKey(
        "usage.Meter",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_constraint=False,
        help_text="Usage of this meter is billed after each period.",
    )
    active = models.BooleanField(default=True)
    metadata = models.JSONField(default=dict, blank=True)

    class Meta:
        constraints = [
            tenant_key("billing_price"),
            mirror_key("billing_price"),
            models.CheckConstraint(
                condition=models.Q(unit_amount__gte=0), name="billing_price_not_negative"
            ),
            *tenant_links(
                "billing_price", [("product", "billing.Product"), ("meter", "usage.Meter")]
            ),
        ]
        indexes = [models.Index(fields=["account", "stripe_id"], name="owner_by_price")]
        triggers = [
            pgtrigger.Protect(
                name="price_is_immutable",
                operation=pgtrigger.Update,
                condition=pgtrigger.AnyChange(
                    "product",
                    "type",
                    "currency",
                    "unit_amount",
                    "interval",
                    "interval_count",
                    "meter",
                ),
            )
        ]

    def __str__(self) -> str:
        interval = f" / {self.interval}" if self.interval else ""
        return f"{self.money}{interval}"

    @property
    def money(self) -> Money:
        return Money(self.unit_amount, self.currency)

    @property
    def is_metered(self) -> bool:
        """Whether it bills usage after each period, instead of a quantity in advance."""
        return self.meter_id is not None

    def amount_of(self, quantity: int) -> int:
        """Minor units that this quantity costs at once; 0 for a metered price, billed after its
        period."""
        return 0 if self.is_metered else self.unit_amount * quantity

    @property
    def billings_per_month(self) -> Fraction:
        """How often the price is billed in an average month; 0 for a one-time price."""
        if not self.is_recurring:
            return Fraction()
        return BILLINGS_PER_MONTH[Interval(self.interval)] / self.interval_count

    @property
    def is_recurring(self) -> bool:
        return self.type == PriceType.RECURRING
