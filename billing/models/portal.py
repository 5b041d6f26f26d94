from django.contrib.postgres.fields import ArrayField
from django.db import models

from billing.models.mirror import mirror_key
from billing.models.outbound import Outbound
from common.ids import PublicIdField
from common.models import ProjectOwned, tenant_key


class Cancellation(models.TextChoices):
    """How a user may end a subscription in the portal."""

    PERIOD_END = "period_end", "At the end of the period"
    NOW = "now", "At once"
    NEVER = "never", "Not in the portal"


class PortalSettings(ProjectOwned):
    """What a project lets its users do in Stripe's portal. ``products`` are ids of plans between
    which they may change; empty for all that are on sale."""

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
    """A portal as Stripe was asked to make it. Never changed: another content is another one.

    So whoever opens a portal names exactly what it holds, and two changes of the settings cannot
    overtake each other on their way to Stripe. ``digest`` is of the content. ``content`` is what
    Stripe was asked for; empty in rows from before it was kept.
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
