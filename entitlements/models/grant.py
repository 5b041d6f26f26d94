from datetime import datetime

from django.db import models

from common.ids import PublicIdField
from common.models import ProjectOwned, tenant_key, tenant_links
from entitlements.models.fact import Effect


class GrantStatus(models.TextChoices):
    """Status of a grant at a moment; follows from its timestamps."""

    SCHEDULED = "scheduled", "Scheduled"
    ACTIVE = "active", "Active"
    EXPIRED = "expired", "Expired"
    REVOKED = "revoked", "Revoked"


class Grant(ProjectOwned):
    """A manual decision with a reason: give or take away features.

    ``features`` is the decision as it was made, ``[{"feature": code, "value": …}]``; the facts with
    this grant as their source decide about access. ``product_id`` is the product whose features
    were chosen, if any.
    """

    id = PublicIdField(prefix="grant")
    customer = models.ForeignKey(
        "projects.Customer", on_delete=models.PROTECT, related_name="+", db_constraint=False
    )
    effect = models.CharField(
        max_length=8, choices=[(Effect.ALLOW.value, "Grant"), (Effect.DENY.value, "Revocation")]
    )
    features = models.JSONField()
    product_id = models.CharField(max_length=40, blank=True)
    reason = models.TextField()
    starts_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    created_by = models.CharField(max_length=120)
    created_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_by = models.CharField(max_length=120, blank=True)
    revoked_reason = models.TextField(blank=True)
    expired_at = models.DateTimeField(
        null=True, blank=True, help_text="When its expiry was announced."
    )

    class Meta:
        constraints = [
            tenant_key("entitlements_grant"),
            *tenant_links("entitlements_grant", [("customer", "projects.Customer")]),
        ]
        indexes = [
            models.Index(fields=["project", "customer", "-id"], name="grant_by_customer"),
            models.Index(
                fields=["expires_at"],
                condition=models.Q(
                    expired_at__isnull=True, revoked_at__isnull=True, expires_at__isnull=False
                ),
                name="grant_to_expire",
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)

    def status(self, at: datetime) -> GrantStatus:
        """The status at ``at``."""
        if self.revoked_at is not None:
            return GrantStatus.REVOKED
        if at < self.starts_at:
            return GrantStatus.SCHEDULED
        if self.expires_at is not None and self.expires_at <= at:
            return GrantStatus.EXPIRED
        return GrantStatus.ACTIVE
