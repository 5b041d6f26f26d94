from django.db import models

from billing.models.mirror import mirror_key
from billing.models.outbound import Outbound
from common.ids import PublicIdField
from common.models import tenant_key


class Product(Outbound):
    """Something that a project sells, and through it the features that it entitles to."""

    id = PublicIdField(prefix="prod")
    name = models.CharField(max_length=250)
    description = models.TextField(blank=True)
    active = models.BooleanField(default=True)
    metadata = models.JSONField(default=dict, blank=True)

    class Meta:
        constraints = [tenant_key("billing_product"), mirror_key("billing_product")]
        indexes = [models.Index(fields=["account", "stripe_id"], name="owner_by_product")]

    def __str__(self) -> str:
        return self.name
