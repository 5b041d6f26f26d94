from django.contrib.postgres.fields import ArrayField
from django.db import models

from billing.models.mirror import mirror_key
from billing.models.outbound import Outbound
from common.ids import PublicIdField
from common.models import ProjectOwned, tenant_key


class Cancellation(models.TextChoices):
    """When a cancellation in the portal ends the subscription, or that the portal offers none."""

    PERIOD_END = "period_end", "At the end of the period"
    NOW = "now", "At once"
    NEVER = "never", "Not in the portal"


class PortalSettings(ProjectOwned):
    """What a project's users may do in Stripe's portal.

    ``products`` are ids of the plans between which users may switch; empty for all plans on sale.
    """

    id = PublicIdField(prefix="pset")
    headline = models.CharField(max_length=60, blank=True)
    cancellation = models.CharField(
        max_length=12, choices=Cancellation.choices, default=Cancellation.PERIOD_END
    )
    plan_changes = models.BooleanField(default=True)
    products = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    payment_methods = models.BooleanField(default=True)
    invoices = models.BooleanField(default=True)
    default_return_url = models.CharField(max_length=2048, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            tenant_key("billing_portalsettings"),
            models.UniqueConstraint(fields=["project"], name="billing_portalsettings_key"),
        ]

    def __str__(self) -> str:
        return self.headline or self.pk


class PortalConfiguration(Outbound):
    """A portal configuration at Stripe. It never changes: other content is another configuration.

    Thus a link into the portal names exactly one content, and two changes of the settings cannot
    overtake each other on the way to Stripe. ``digest`` is the digest of ``content``, the
    parameters sent to Stripe; ``content`` is empty in rows from before it was stored.
    """

    id = PublicIdField(prefix="pcfg")
    digest = models.CharField(max_length=64, editable=False)
    content = models.JSONField(
        default=dict, db_default=models.Value({}, models.JSONField()), editable=False
    )

    class Meta:
        constraints = [
            tenant_key("billing_portalconfiguration"),
            mirror_key("billing_portalconfiguration"),
            models.UniqueConstraint(
                fields=["project", "account", "digest"],
                name="billing_portalconfiguration_digest_key",
            ),
        ]

    def __str__(self) -> str:
        return self.stripe_id or self.pk
