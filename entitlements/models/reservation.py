from datetime import datetime

from django.db import models

from common.ids import PublicIdField
from common.models import ProjectOwned, tenant_key, tenant_links


class ReservationStatus(models.TextChoices):
    """Status of a reservation at a moment; follows from its timestamps."""

    OPEN = "open", "Open"
    COMMITTED = "committed", "Committed"
    RELEASED = "released", "Released"
    EXPIRED = "expired", "Expired"


class Reservation(ProjectOwned):
    """An amount of a feature, set aside for a customer until it is used, released or expired.

    ``amount`` is in units of the feature. For a metered feature it is reserved in the counter of
    ``period`` (``usage.periods.Period.text``); for a credit-priced one, ``credits`` are reserved in
    the ledger.
    """

    id = PublicIdField(prefix="res")
    customer = models.ForeignKey(
        "projects.Customer", on_delete=models.PROTECT, related_name="+", db_constraint=False
    )
    feature = models.ForeignKey(
        "entitlements.Feature", on_delete=models.PROTECT, related_name="+", db_constraint=False
    )
    amount = models.BigIntegerField()
    period = models.CharField(max_length=40, blank=True)
    credits = models.BigIntegerField(default=0)
    key = models.CharField(max_length=255, null=True, help_text="The caller's own name for it.")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    committed_at = models.DateTimeField(null=True)
    committed_amount = models.BigIntegerField(null=True)
    released_at = models.DateTimeField(null=True)
    expired_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            tenant_key("entitlements_reservation"),
            models.UniqueConstraint(
                fields=["project", "key"], name="entitlements_reservation_key_key"
            ),
            models.CheckConstraint(
                condition=models.Q(amount__gt=0, credits__gte=0),
                name="entitlements_reservation_positive",
            ),
            *tenant_links(
                "entitlements_reservation",
                [("customer", "projects.Customer"), ("feature", "entitlements.Feature")],
            ),
        ]
        indexes = [
            models.Index(
                fields=["expires_at"],
                condition=models.Q(
                    committed_at__isnull=True, released_at__isnull=True, expired_at__isnull=True
                ),
                name="reservation_open",
            ),
            models.Index(fields=["project", "customer", "-id"], name="reservation_by_customer"),
        ]

    def __str__(self) -> str:
        return str(self.id)

    def status(self, at: datetime) -> ReservationStatus:
        """The status at ``at``; past its expiry a reservation is no longer open."""
        if self.committed_at is not None:
            return ReservationStatus.COMMITTED
        if self.released_at is not None:
            return ReservationStatus.RELEASED
        if self.expired_at is not None or self.expires_at <= at:
            return ReservationStatus.EXPIRED
        return ReservationStatus.OPEN
