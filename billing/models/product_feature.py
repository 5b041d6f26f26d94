from django.db import models

from common.ids import PublicIdField
from common.models import ProjectOwned, tenant_key, tenant_links


class ProductFeature(ProjectOwned):
    """A feature that the holders of a product have. ``value`` as in the facts of entitlements."""

    id = PublicIdField(prefix="pf")
    product = models.ForeignKey(
        "billing.Product", on_delete=models.CASCADE, related_name="features", db_constraint=False
    )
    feature = models.ForeignKey(
        "entitlements.Feature", on_delete=models.PROTECT, related_name="+", db_constraint=False
    )
    value = models.JSONField(null=True, help_text="true, a number, or null for no limit.")

    class Meta:
        constraints = [
            tenant_key("billing_productfeature"),
            models.UniqueConstraint(
                fields=["project", "product", "feature"], name="billing_productfeature_key"
            ),
            *tenant_links(
                "billing_productfeature",
                [("product", "billing.Product"), ("feature", "entitlements.Feature")],
            ),
        ]

    def __str__(self) -> str:
        return f"{self.product_id}: {self.feature_id}"
