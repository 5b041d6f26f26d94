from django.db import models

from common.ids import PublicIdField
from common.models import ProjectOwned, tenant_key


class ImportProgress(ProjectOwned):
    """Progress of the import of an existing Stripe account, for one kind of object.

    ``after`` is the Stripe id of the last object whose page is stored; the next page follows it.
    """

    id = PublicIdField(prefix="imp")
    account = models.ForeignKey("billing.StripeAccount", on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=20)
    after = models.CharField(max_length=255, blank=True)
    finished_at = models.DateTimeField(null=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            tenant_key("billing_importprogress"),
            models.UniqueConstraint(
                fields=["project", "account", "kind"], name="billing_importprogress_kind_key"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} after {self.after or 'nothing'}"
