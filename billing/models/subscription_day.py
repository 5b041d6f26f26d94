from django.db import models
from django.db.models import F

from common.ids import PublicIdField
from common.models import ProjectOwned, tenant_key


class SubscriptionDay(ProjectOwned):
    """A project's subscriptions in one currency at the end of a day (UTC), and what changed in MRR.

    Amounts are minor units a month; docs/metrics.md defines them. A currency without a row had
    nothing on that day. Written by ``billing.analytics.subscription_days`` alone.
    """

    id = PublicIdField(prefix="sday")
    day = models.DateField()
    currency = models.CharField(max_length=3)

    active = models.IntegerField(default=0)
    trialing = models.IntegerField(default=0)
    past_due = models.IntegerField(default=0)
    unpaid = models.IntegerField(default=0)
    paused = models.IntegerField(default=0)
    started = models.IntegerField(default=0, help_text="Began on this day.")
    canceled = models.IntegerField(default=0, help_text="Ended on this day.")

    customers = models.IntegerField(default=0, help_text="Customers with MRR.")
    new_customers = models.IntegerField(default=0)
    reactivated_customers = models.IntegerField(default=0)
    churned_customers = models.IntegerField(default=0)

    opening_mrr = models.BigIntegerField(default=0)
    new_mrr = models.BigIntegerField(default=0)
    reactivation_mrr = models.BigIntegerField(default=0)
    expansion_mrr = models.BigIntegerField(default=0)
    contraction_mrr = models.BigIntegerField(default=0)
    churned_mrr = models.BigIntegerField(default=0)
    closing_mrr = models.BigIntegerField(default=0)
    churned_past_due_mrr = models.BigIntegerField(
        default=0, help_text="The part of the churn of customers whose payment is past due."
    )
    recovered_mrr = models.BigIntegerField(
        default=0, help_text="The part of the reactivation of customers who were past due."
    )
    past_due_mrr = models.BigIntegerField(
        default=0, help_text="What past due subscriptions would bring; not in the MRR."
    )

    is_estimate = models.BooleanField(default=False, help_text="Counted more than an hour late.")
    counted_at = models.DateTimeField()

    class Meta:
        constraints = [
            tenant_key("billing_subscriptionday"),
            models.UniqueConstraint(
                fields=["project", "day", "currency"], name="billing_subscriptionday_key"
            ),
            models.CheckConstraint(
                condition=models.Q(
                    closing_mrr=F("opening_mrr")
                    + F("new_mrr")
                    + F("reactivation_mrr")
                    + F("expansion_mrr")
                    - F("contraction_mrr")
                    - F("churned_mrr")
                ),
                name="mrr_adds_up",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.currency}"
