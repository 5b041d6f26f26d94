from django.db import models

from billing.models.mirror import Mirror, mirror_key
from common.ids import PublicIdField
from common.models import tenant_key, tenant_links
from common.money import Money

INQUIRY = "warning_"
"""How the statuses of an inquiry begin: a question of the bank, no money has moved."""
WON = frozenset({"won", "warning_closed", "prevented"})
LOST = frozenset({"lost"})


class Dispute(Mirror):
    """A payment that the buyer contests at the bank. ``status`` in Stripe's words."""

    id = PublicIdField(prefix="dsp")
    payment = models.ForeignKey(
        "billing.Payment", on_delete=models.PROTECT, related_name="disputes", db_constraint=False
    )
    status = models.CharField(max_length=32)
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

    def __str__(self) -> str:
        return f"{Money(self.amount, self.currency)} ({self.status})"

    @property
    def is_inquiry(self) -> bool:
        return self.status.startswith(INQUIRY)

    @property
    def is_lost(self) -> bool:
        return self.status in LOST

    @property
    def is_open(self) -> bool:
        """Whether the money is withheld and nobody has decided yet."""
        return not self.is_inquiry and self.status not in WON | LOST
