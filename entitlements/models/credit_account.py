from django.db import models

from common.ids import PublicIdField
from common.models import ProjectOwned, tenant_key, tenant_links


class Told(models.TextChoices):
    """What a customer's project was told last about their balance; nothing since a top-up."""

    NOTHING = "", "Nothing"
    LOW = "low", "Low"
    EXHAUSTED = "exhausted", "Exhausted"


class CreditAccount(ProjectOwned):
    """One customer's credits as a whole: the row to lock before any of them moves.

    How many there are follows from the ledger. ``topped_up_to`` is what could be spent right
    after the last top-up, of which the low-balance threshold is a part unless ``low_at`` says
    a number.
    """

    id = PublicIdField(prefix="cra")
    customer = models.ForeignKey(
        "projects.Customer", on_delete=models.PROTECT, related_name="+", db_constraint=False
    )
    topped_up_to = models.BigIntegerField(default=0)
    low_at = models.BigIntegerField(null=True, blank=True)
    told = models.CharField(max_length=12, choices=Told.choices, blank=True, default="")

    class Meta:
        constraints = [
            tenant_key("entitlements_creditaccount"),
            models.UniqueConstraint(
                fields=["project", "customer"], name="entitlements_creditaccount_customer_key"
            ),
            *tenant_links("entitlements_creditaccount", [("customer", "projects.Customer")]),
        ]

    def __str__(self) -> str:
        return str(self.id)
