from django.db import models

from common.ids import PublicIdField
from common.models import ProjectOwned, tenant_key, tenant_links


class StripeMeter(ProjectOwned):
    """A meter in one Stripe account, to which usage is reported.

    ``event_name`` is our meter's id, so that projects in a shared account never use the same name.
    """

    id = PublicIdField(prefix="smtr")
    account = models.ForeignKey("billing.StripeAccount", on_delete=models.PROTECT, related_name="+")
    meter = models.ForeignKey(
        "usage.Meter", on_delete=models.PROTECT, related_name="+", db_constraint=False
    )
    stripe_id = models.CharField(max_length=255)
    event_name = models.CharField(max_length=100)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            tenant_key("billing_stripemeter"),
            models.UniqueConstraint(
                fields=["project", "account", "meter"], name="billing_stripemeter_meter_key"
            ),
            *tenant_links("billing_stripemeter", [("meter", "usage.Meter")]),
        ]
        indexes = [models.Index(fields=["account", "stripe_id"], name="owner_by_stripe_meter")]

    def __str__(self) -> str:
        return self.stripe_id
