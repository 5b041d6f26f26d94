from django.db import models
from django.db.models import Q

from common.ids import PublicIdField
from common.models import ProjectOwned, tenant_key


class DriftClass(models.TextChoices):
    """How an object here and at Stripe differ, or which rule our own tables break."""

    MISSING_HERE = "missing_here", "Stripe has it, and we do not"
    MISSING_AT_STRIPE = "missing_at_stripe", "Stripe does not have it; it can be deleted there"
    NEVER_DELETED_GONE = "never_deleted_gone", "Stripe does not have it, but never deletes its kind"
    DELETED_AT_STRIPE = "deleted_at_stripe", "Stripe says that it was deleted"
    AMOUNT_DIFFERS = "amount_differs", "An amount, a quantity or a currency differs"
    STALE = "stale", "Our row is out of date"
    FOREIGN = "foreign", "At Stripe it belongs to none of our customers, or to others"
    SETTING_DIFFERS = "setting_differs", "Stripe does not have it as our settings say"
    USAGE_DIFFERS = "usage_differs", "Stripe counts another usage"
    FACTS_DIFFER = (
        "facts_differ",
        "Facts, credits, totals or counters disagree with their rows",
    )
    LEDGER_DIFFERS = "ledger_differs", "Sums of credits are not those of their entries"


class HealPolicy(models.TextChoices):
    """What a reconciliation does about a difference."""

    HEAL = "heal", "Heal: repair it at once"
    REPORT = "report", "Report: store it, and compare again the next time"
    PARK = "park", "Park: leave it until an operator decides"


class DriftState(models.TextChoices):
    """``healing`` lasts as long as the repair. ``ended``: a later comparison found no difference.
    ``dismissed``: an operator leaves it as it is; another difference of the object is new."""

    REPORTED = "reported", "Reported"
    HEALING = "healing", "Being repaired"
    HEALED = "healed", "Healed"
    PARKED = "parked", "Waits for an operator"
    FAILED = "failed", "The repair failed; the next pass tries again"
    ENDED = "ended", "No longer differs"
    DISMISSED = "dismissed", "Left as it is"


class DriftReport(ProjectOwned):
    """One object that differed, with both values, and the outcome.

    It holds no personal data: of a column that may be personal only the name is stored. An object
    has one open report (``closed_at`` is empty), however often it is compared.
    """

    id = PublicIdField(prefix="drf")
    account = models.ForeignKey(
        "billing.StripeAccount", on_delete=models.PROTECT, null=True, related_name="+"
    )
    run = models.ForeignKey(
        "billing.Reconciliation",
        on_delete=models.SET_NULL,
        null=True,
        related_name="reports",
        db_index=False,
        help_text="The last reconciliation that found it; empty for the command.",
    )
    kind = models.CharField(max_length=32, help_text="A kind of object, or a law.")
    object_key = models.CharField(max_length=255, help_text="Its id at Stripe, or our own.")
    our_id = models.CharField(max_length=64, blank=True, help_text="Our row, if there is one.")
    drift_class = models.CharField(max_length=24, choices=DriftClass.choices)
    state = models.CharField(max_length=12, choices=DriftState.choices)
    changes = models.JSONField(default=list, help_text="Field, our value and Stripe's value.")
    note = models.CharField(max_length=255, blank=True, help_text="Why it was not healed.")
    first_found_at = models.DateTimeField()
    last_found_at = models.DateTimeField()
    in_sync_at = models.DateTimeField(
        null=True, help_text="When our row was last read from Stripe: the difference is younger."
    )
    closed_at = models.DateTimeField(null=True)
    decided_by = models.CharField(
        max_length=120, blank=True, help_text="policy: by the heal policy."
    )

    class Meta:
        constraints = [
            tenant_key("billing_driftreport"),
            models.UniqueConstraint(
                fields=["project", "account", "kind", "object_key"],
                condition=Q(closed_at__isnull=True),
                nulls_distinct=False,
                name="billing_driftreport_open_key",
            ),
        ]
        indexes = [
            models.Index(fields=["project", "-id"], name="drift_by_project"),
            models.Index(
                fields=["account", "kind"],
                condition=Q(closed_at__isnull=True),
                name="drift_open",
            ),
            models.Index(fields=["run", "state"], name="drift_by_run"),
            models.Index(fields=["state", "-id"], name="drift_by_state"),
            models.Index(
                fields=["closed_at"], condition=Q(closed_at__isnull=False), name="drift_closed"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.object_key}"

    @property
    def is_open(self) -> bool:
        return self.closed_at is None


class DriftPolicy(models.Model):
    """An operator's choice for one class of differences; empty: the default of the code."""

    id = models.CharField(max_length=24, choices=DriftClass.choices, primary_key=True)
    policy = models.CharField(max_length=8, choices=HealPolicy.choices, blank=True)
    changed_by = models.CharField(max_length=120, blank=True)
    changed_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "heal policy"
        verbose_name_plural = "heal policies"

    def __str__(self) -> str:
        return self.id
