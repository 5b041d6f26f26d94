from datetime import date

from django.db import models

from common.ids import PublicIdField
from common.models import ProjectOwned, tenant_key, tenant_links


class SpanStatus(models.TextChoices):
    """What a subscription counts as at the end of a day. Only active ones count towards MRR."""

    ACTIVE = "active", "Active"
    TRIALING = "trialing", "Trialing"
    PAST_DUE = "past_due", "Past due"
    UNPAID = "unpaid", "Unpaid"
    PAUSED = "paused", "Paused"


class SubscriptionSpan(ProjectOwned):
    """Consecutive days (UTC) at whose ends a subscription had the same status and amount.

    ``[starts_on, ends_on)``; ``ends_on`` is ``date.max`` while the span lasts. A day without a span
    is a day at whose end the subscription did not exist, was incomplete or had ended. ``amount`` is
    what it brings in a month (``billing.analytics.monthly_amounts``) in minor units, whatever its
    status is. Written by ``billing.analytics.spans`` alone.
    """

    id = PublicIdField(prefix="span")
    subscription = models.ForeignKey(
        "billing.Subscription", on_delete=models.PROTECT, related_name="+", db_constraint=False
    )
    customer = models.ForeignKey(
        "projects.Customer", on_delete=models.PROTECT, related_name="+", db_constraint=False
    )
    currency = models.CharField(max_length=3)
    status = models.CharField(max_length=12, choices=SpanStatus.choices)
    amount = models.BigIntegerField(help_text="Minor units a month.")
    starts_on = models.DateField()
    ends_on = models.DateField(default=date.max, help_text="The first day after the span.")

    class Meta:
        constraints = [
            tenant_key("billing_subscriptionspan"),
            models.UniqueConstraint(
                fields=["project", "subscription", "starts_on"],
                name="billing_subscriptionspan_start_key",
            ),
            models.UniqueConstraint(
                fields=["project", "subscription"],
                condition=models.Q(ends_on=date.max),
                name="one_open_span",
            ),
            models.CheckConstraint(
                condition=models.Q(starts_on__lt=models.F("ends_on")), name="span_is_not_empty"
            ),
            models.CheckConstraint(
                condition=models.Q(amount__gte=0), name="span_amount_not_negative"
            ),
            *tenant_links(
                "billing_subscriptionspan",
                [("subscription", "billing.Subscription"), ("customer", "projects.Customer")],
            ),
        ]
        indexes = [
            models.Index(fields=["project", "starts_on"], name="span_by_start"),
            models.Index(fields=["project", "ends_on", "starts_on"], name="span_by_end"),
        ]

    def __str__(self) -> str:
        return f"{self.subscription_id} from {self.starts_on} ({self.status})"
