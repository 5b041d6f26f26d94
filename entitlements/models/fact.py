import pgtrigger
from django.db import models

from common.ids import PublicIdField
from common.models import ProjectOwned, tenant_key, tenant_links


class SourceType(models.TextChoices):
    """The type of object that states a fact."""

    SUBSCRIPTION = "subscription", "Subscription"
    CHECKOUT = "checkout", "Purchase"
    GRANT = "grant", "Manual grant"
    FREE_TIER = "free_tier", "Free tier"


class Effect(models.TextChoices):
    """``deny`` beats every ``allow``; ``none``: the source no longer gives anything."""

    ALLOW = "allow", "Allows"
    DENY = "deny", "Denies"
    NONE = "none", "Nothing"


class Fact(ProjectOwned):
    """One reason why a customer may or may not use a feature. Append-only.

    A source (a subscription, a purchase, a grant) states a set of facts: the rows of its highest
    ``version`` count, older rows are history. A source that no longer gives anything has one row
    with the effect ``none``. Valid over ``[starts_at, ends_at)``; without an end, until further
    notice.
    """

    id = PublicIdField(prefix="fact")
    customer = models.ForeignKey(
        "projects.Customer", on_delete=models.PROTECT, related_name="+", db_constraint=False
    )
    source_type = models.CharField(max_length=16, choices=SourceType.choices)
    source_id = models.CharField(max_length=40)
    version = models.BigIntegerField(help_text="The customer's version when this was recorded.")
    effect = models.CharField(max_length=8, choices=Effect.choices)
    feature = models.ForeignKey(
        "entitlements.Feature",
        on_delete=models.PROTECT,
        related_name="+",
        null=True,
        db_constraint=False,
    )
    value = models.JSONField(null=True, help_text="A value of the feature's kind.")
    reason = models.CharField(max_length=24, help_text="A reason code of resolution.Reason.")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True)
    anchored_at = models.DateTimeField(
        null=True, help_text="The day and time on which its periods begin; null: its start."
    )
    part = models.CharField(
        max_length=40,
        blank=True,
        help_text="The part of the source that gives it, such as a product.",
    )
    paid_until = models.DateTimeField(
        null=True,
        help_text="Its anchored periods begin before this time; null: no limit.",
    )
    recorded_at = models.DateTimeField()

    class Meta:
        constraints = [
            tenant_key("entitlements_fact"),
            *tenant_links(
                "entitlements_fact",
                [("customer", "projects.Customer"), ("feature", "entitlements.Feature")],
            ),
        ]
        indexes = [
            models.Index(
                fields=["project", "customer", "source_type", "source_id", "-version"],
                name="fact_by_source",
            )
        ]
        triggers = [
            pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)
        ]

    def __str__(self) -> str:
        return f"{self.effect} {self.source_type}:{self.source_id}"
