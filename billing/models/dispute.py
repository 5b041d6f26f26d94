from datetime import datetime

from django.db import models

from billing.models.mirror import Mirror, mirror_key
from common.ids import PublicIdField
from common.models import tenant_key, tenant_links
from common.money import Money

INQUIRY = "warning_"
"""How the statuses of an inquiry begin: a question of the bank, no money has moved."""
WON = frozenset({"won", "warning_closed"})
PREVENTED = "prevented"
RESOLUTION = "resolution"
"""The case type of a prevented dispute by which the buyer got the money back; where it was a
``block`` none has moved."""


class DisputeStage(models.TextChoices):
    """The stage of a dispute, derived from Stripe's status. An unknown status counts as open."""

    INQUIRY = "inquiry", "A question of the bank: no money has moved"
    OPEN = "open", "The money is withheld, and nobody has decided yet"
    WON = "won", "It came to nothing, or the money is back"
    LOST = "lost", "The money is gone"


def stage_of(status: str, case_type: str = "") -> DisputeStage:
    if status == PREVENTED:
        return DisputeStage.LOST if case_type == RESOLUTION else DisputeStage.WON
    if status in WON:
        return DisputeStage.WON
    if status == "lost":
        return DisputeStage.LOST
    return DisputeStage.INQUIRY if status.startswith(INQUIRY) else DisputeStage.OPEN


def is_withheld(status: str, case_type: str = "") -> bool:
    """Whether the bank has the money, for now or for good."""
    return stage_of(status, case_type) in (DisputeStage.OPEN, DisputeStage.LOST)


class Dispute(Mirror):
    """A payment that the buyer contests at the bank. ``status`` in Stripe's words."""

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
        indexes = [models.Index(fields=["project", "status"], name="dispute_by_status")]

    def __str__(self) -> str:
        return f"{Money(self.amount, self.currency)} ({self.status})"

    @property
    def since(self) -> datetime:
        """When it was opened by Stripe's clock, or when we heard of it if that clock is ahead."""
        return min(self.opened_at, self.created_at)

    @property
    def stage(self) -> DisputeStage:
        return stage_of(self.status, self.case_type)

    @property
    def is_lost(self) -> bool:
        return self.stage == DisputeStage.LOST

    @property
    def is_open(self) -> bool:
        """Whether the money is withheld and nobody has decided yet."""
        return self.stage == DisputeStage.OPEN
