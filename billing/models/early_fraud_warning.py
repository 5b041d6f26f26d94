from django.db import models

from billing.models.mirror import Mirror, mirror_key
from common.ids import PublicIdField
from common.models import tenant_key, tenant_links


class EarlyFraudWarning(Mirror):
    """A card issuer suspects fraud in a payment that is not disputed yet.

    ``fraud_type`` in Stripe's words. ``actionable`` until the payment is disputed or fully
    refunded: after that, a refund can no longer prevent the dispute.
    """

    id = PublicIdField(prefix="efw")
    payment = models.ForeignKey(
        "billing.Payment",
        on_delete=models.PROTECT,
        related_name="fraud_warnings",
        db_constraint=False,
    )
    fraud_type = models.CharField(max_length=64)
    actionable = models.BooleanField()
    warned_at = models.DateTimeField()

    class Meta:
        constraints = [
            tenant_key("billing_earlyfraudwarning"),
            mirror_key("billing_earlyfraudwarning"),
            *tenant_links("billing_earlyfraudwarning", [("payment", "billing.Payment")]),
        ]
        indexes = [models.Index(fields=["warned_at"], name="fraud_warning_by_time")]

    def __str__(self) -> str:
        return self.fraud_type.replace("_", " ")
