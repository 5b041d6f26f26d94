from datetime import datetime

import pgtrigger
from django.db import models

from common.ids import PublicIdField
from common.models import ProjectOwned, tenant_key, tenant_links
from entitlements.resolution.credit_allocation import CreditLot


class CreditSource(models.TextChoices):
    """The type of object that credits come from."""

    SUBSCRIPTION = "subscription", "Subscription"
    CHECKOUT = "checkout", "Purchase"
    OPERATOR = "operator", "Given by hand"


class CreditGrantStatus(models.TextChoices):
    """Status of a credit grant at a moment; follows from its row."""

    ACTIVE = "active", "Active"
    USED_UP = "used_up", "Used up"
    WITHHELD = "withheld", "Withheld"
    EXPIRED = "expired", "Expired"
    REVOKED = "revoked", "Revoked"


SUMS = ("given", "available", "reserved", "withheld", "spent", "expired")
"""Sums of the ledger's entries; only the trigger of the entries writes them."""

_MOVED = " OR ".join(f"OLD.{name} IS DISTINCT FROM NEW.{name}" for name in SUMS)
_NOT_EMPTY = " OR ".join(f"NEW.{name} <> 0" for name in SUMS)


class CreditGrant(ProjectOwned):
    """Credits from one source that were granted together.

    They are spent in the order of ``priority`` (0 first) and expire at ``expires_at``. ``amount``
    is what the source gives, ``due`` what remains of it after refunds and disputes. The sums come
    from the ledger: ``given`` is what was put in less what was taken back; it is divided into
    ``available``, ``reserved``, ``withheld`` (while a bank decides), ``spent`` and ``expired``.
    ``key`` distinguishes the grants of one source. ``starts_at`` and ``ends_at`` are the period of
    the subscription that the grant is for.
    """

    id = PublicIdField(prefix="cgr")
    customer = models.ForeignKey(
        "projects.Customer", on_delete=models.PROTECT, related_name="+", db_constraint=False
    )
    source_type = models.CharField(max_length=16, choices=CreditSource.choices)
    source_id = models.CharField(max_length=40)
    key = models.CharField(max_length=120, blank=True)
    product_id = models.CharField(max_length=40, blank=True)
    quantity = models.PositiveIntegerField(default=1)
    rate = models.BigIntegerField(
        default=0, db_default=0, help_text="Credits of one unit for a whole period."
    )
    carried = models.BigIntegerField(
        default=0, help_text="Credits withheld to cover an overdraft of another plan."
    )
    amount = models.BigIntegerField()
    due = models.BigIntegerField()
    priority = models.PositiveSmallIntegerField()
    granted_at = models.DateTimeField()
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    outlives_period = models.BooleanField(
        default=False, db_default=False, help_text="It does not expire with its period."
    )
    is_free = models.BooleanField(
        default=False, db_default=False, help_text="Its period costs nothing, as a trial does."
    )
    withheld_at = models.DateTimeField(null=True, blank=True)
    reason = models.TextField(blank=True)
    created_by = models.CharField(max_length=120, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_by = models.CharField(max_length=120, blank=True)
    revoked_reason = models.TextField(blank=True)
    given = models.BigIntegerField(default=0)
    available = models.BigIntegerField(default=0)
    reserved = models.BigIntegerField(default=0)
    withheld = models.BigIntegerField(default=0)
    spent = models.BigIntegerField(default=0)
    expired = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            tenant_key("entitlements_creditgrant"),
            models.UniqueConstraint(
                fields=["project", "source_type", "source_id", "key"],
                name="entitlements_creditgrant_source_key",
            ),
            models.CheckConstraint(
                condition=models.Q(amount__gte=0, due__gte=0, priority__lte=100),
                name="entitlements_creditgrant_positive",
            ),
            models.CheckConstraint(
                condition=models.Q(**{f"{name}__gte": 0 for name in SUMS}),
                name="entitlements_creditgrant_never_negative",
            ),
            *tenant_links("entitlements_creditgrant", [("customer", "projects.Customer")]),
        ]
        indexes = [
            models.Index(fields=["project", "customer", "-id"], name="credits_by_customer"),
            models.Index(
                fields=["project", "customer"],
                condition=models.Q(available__gt=0),
                name="credits_to_spend",
            ),
            models.Index(
                fields=["expires_at"],
                condition=models.Q(expires_at__isnull=False)
                & (models.Q(available__gt=0) | models.Q(withheld__gt=0)),
                name="credits_to_expire",
            ),
        ]
        triggers = [
            pgtrigger.Protect(name="keep", operation=pgtrigger.Delete),
            pgtrigger.Protect(
                name="begin_empty",
                operation=pgtrigger.Insert,
                condition=pgtrigger.Condition(_NOT_EMPTY),
            ),
            pgtrigger.Protect(
                name="only_by_entries",
                operation=pgtrigger.Update,
                condition=pgtrigger.Condition(f"pg_trigger_depth() = 0 AND ({_MOVED})"),
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)

    @property
    def lot(self) -> CreditLot:
        """The grant as a value for credit allocation."""
        return CreditLot(
            grant=self.pk,
            priority=self.priority,
            granted_at=self.granted_at,
            expires_at=self.expires_at,
            **{name: getattr(self, name) for name in SUMS},
        )

    @property
    def overspent(self) -> int:
        """Credits spent beyond what is due, because their payment was refunded."""
        return 0 if self.revoked_at else max(0, self.spent - self.due)

    @property
    def is_withheld(self) -> bool:
        return self.withheld_at is not None

    def status(self, at: datetime) -> CreditGrantStatus:
        """The status at ``at``."""
        if self.revoked_at is not None:
            return CreditGrantStatus.REVOKED
        if self.expires_at is not None and self.expires_at <= at:
            return CreditGrantStatus.EXPIRED
        if self.withheld_at is not None:
            return CreditGrantStatus.WITHHELD
        if self.available or self.reserved:
            return CreditGrantStatus.ACTIVE
        return CreditGrantStatus.USED_UP if self.due else CreditGrantStatus.REVOKED
