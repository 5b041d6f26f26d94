from django.db import models

from billing.models.mirror import Mirror, mirror_key
from common.ids import PublicIdField
from common.models import tenant_key, tenant_links
from common.money import Money


class CreditNote(Mirror):
    """A reduction of a finalized invoice. ``status`` in Stripe's words."""

    id = PublicIdField(prefix="cn")
    invoice = models.ForeignKey(
        "billing.Invoice",
        on_delete=models.PROTECT,
        related_name="credit_notes",
        db_constraint=False,
    )
    number = models.CharField(max_length=64, blank=True)
    status = models.CharField(max_length=20)
    reason = models.CharField(max_length=40, blank=True)
    currency = models.CharField(max_length=3)
    amount = models.BigIntegerField(help_text="Minor units, taxes included.")
    issued_at = models.DateTimeField()

    class Meta:
        constraints = [
            tenant_key("billing_creditnote"),
            mirror_key("billing_creditnote"),
            *tenant_links("billing_creditnote", [("invoice", "billing.Invoice")]),
        ]

    def __str__(self) -> str:
        return f"{self.number} {Money(self.amount, self.currency)}"
