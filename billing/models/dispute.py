from datetime import datetime

from django.db import models

from billing.models.mirror import Mirror, mirror_key
from common.ids import PublicIdField
from common.models import tenant_key, tenant_links
from common.money import Money

INQUIRY = "warning_"
"""Prefix of the statuses of an inquiry: the bank only asks, no money has moved."""
WON = frozenset({"won", "warning_closed"})
PREVENTED = "prevented"
RESOLUTION = "resolution"
"""Case type of a prevented dispute in which the buyer got the money back. In a ``block`` no money
moved."""


class DisputeStage(models.TextChoices):
    """The stage of a dispute, derived from Stripe's status. An unknown status counts as open."""

    INQUIRY = "inquiry", "The bank asks: no money has moved"
    OPEN = "open", "The money is withheld; the bank has not decided"
    WON = "won", "Closed without loss, or the money is back"
    LOST = "lost", "The money is lost"


def stage_of(status: str, case_type: str = "") -> DisputeStage:
    """The stage for Stripe's status and case type."""
    if status == PREVENTED:
        return DisputeStage.LOST if case_type == RESOLUTION else DisputeStage.WON
    if status in WON:
        return DisputeStage.WON
    if status == "lost":
        return DisputeStage.LOST
    return DisputeStage.INQUIRY if status.startswith(INQUIRY) else DisputeStage.OPEN


def is_withheld(status: str, case_type: str = "") -> bool:
    """Whether the bank holds the money, temporarily or for good."""
    return stage_of(status, case_type) in (DisputeStage.OPEN, DisputeStage.LOST)


IS_WITHHELD = (
    ~models.Q(status__in=WON)
    & ~models.Q(status__startswith=INQUIRY)
    & (~models.Q(status=PREVENTED) | models.Q(case_type=RESOLUTION))
)
""":func:`is_withheld` as a condition."""


class Dispute(Mirror):
    """A payment that the buyer disputes at the bank. ``status`` in Stripe's words."""

    id = PublicIdField(prefix="dsp")
    payment = models.ForeignKey(
        "billing.Payment", on_delete=models.PROTECT, related_name="disputes", db_constraint=False
    )
    status = models.CharField(max_length=32)
    case_type = models.CharField(
        max_length=32,
        blank=True,
        default="",
        db_default="",
        help_text="Stripe's word for its kind.",
    )
    currency = models.CharField(max_length=3)
    amount = models.BigIntegerField(help_text="Minor units.")
    reason = models.CharField(max_length=64, blank=True)
    evidence_due_by = models.DateTimeField(null=True, blank=True)
    opened_at = models.DateTimeField()

    class Meta:
        constraints = [
            tenant_key("billing_dispute"),
            mirror_key("billing_dispute"),
            *tenant_links("billing_dispute", [("payment", "billing.Payment")]),
        ]
        indexes = [
            models.Index(fields=["project", "status"], name="dispute_by_status"),
            models.Index(fields=["project", "opened_at"], name="dispute_by_time"),
        ]

    def __str__(self) -> str:
        return f"{Money(self.amount, self.currency)} ({self.status})"

    @property
    def since(self) -> datetime:
        """When Stripe opened it, or when our row was created if Stripe's clock is ahead."""
        return min(self.opened_at, self.created_at)

    @property
    def stage(self) -> DisputeStage:
        return stage_of(self.status, self.case_type)

    @property
    def is_lost(self) -> bool:
        return self.stage == DisputeStage.LOST

    @property
    def is_open(self) -> bool:
        """Whether the money is withheld while the bank has not decided."""
        return self.stage == DisputeStage.OPEN
