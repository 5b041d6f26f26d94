from django.db import models

from common.ids import PublicIdField
from common.models import ProjectOwned, tenant_key, tenant_links


class BalanceNotice(models.TextChoices):
    """The last notice about the balance since the last top-up."""

    NOTHING = "", "Nothing"
    LOW = "low", "Low"
    EXHAUSTED = "exhausted", "Exhausted"


class CreditAccount(ProjectOwned):
    """One customer's credit account: the row to lock before credits move.

    The balance follows from the ledger. ``topped_up_to`` is the balance after the last top-up; the
    low-balance threshold is a percentage of it unless ``low_at`` is set.
    """

    id = PublicIdField(prefix="cra")
    customer = models.ForeignKey(
        "projects.Customer", on_delete=models.PROTECT, related_name="+", db_constraint=False
    )
    topped_up_to = models.BigIntegerField(default=0)
    low_at = models.BigIntegerField(null=True, blank=True)
    told = models.CharField(max_length=12, choices=BalanceNotice.choices, blank=True, default="")

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
