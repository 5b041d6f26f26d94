import pgtrigger
from django.db import models

from common.ids import PublicIdField
from common.models import ProjectOwned, tenant_key, tenant_links
from entitlements.resolution.credit_allocation import CreditBucket, CreditMovement

BUCKETS = [(bucket.value, bucket.value.capitalize()) for bucket in CreditBucket]
MOVEMENTS = [
    (movement.value, movement.value.replace("_", " ").capitalize()) for movement in CreditMovement
]

POST = """
IF EXISTS (
    SELECT FROM posted GROUP BY transaction_id, grant_id HAVING sum(amount) <> 0
) THEN
    RAISE EXCEPTION 'The entries of a transaction must sum to zero.'
        USING ERRCODE = 'integrity_constraint_violation';
END IF;
UPDATE entitlements_creditgrant AS credits SET
    given = credits.given - moved.issued,
    available = credits.available + moved.available,
    reserved = credits.reserved + moved.reserved,
    withheld = credits.withheld + moved.withheld,
    spent = credits.spent + moved.spent,
    expired = credits.expired + moved.expired
FROM (
    SELECT project_id, grant_id,
        coalesce(sum(amount) FILTER (WHERE bucket = 'issued'), 0) AS issued,
        coalesce(sum(amount) FILTER (WHERE bucket = 'available'), 0) AS available,
        coalesce(sum(amount) FILTER (WHERE bucket = 'reserved'), 0) AS reserved,
        coalesce(sum(amount) FILTER (WHERE bucket = 'withheld'), 0) AS withheld,
        coalesce(sum(amount) FILTER (WHERE bucket = 'spent'), 0) AS spent,
        coalesce(sum(amount) FILTER (WHERE bucket = 'expired'), 0) AS expired
    FROM posted GROUP BY project_id, grant_id
) AS moved
WHERE credits.project_id = moved.project_id AND credits.id = moved.grant_id;
RETURN NULL;
"""
"""One statement posts all entries of a transaction; this trigger updates the sums of the grants."""


class CreditTransaction(ProjectOwned):
    """One movement of a customer's credits; its entries sum to zero. Append-only.

    ``amount`` is the number of credits, ``balance`` what can be spent afterwards. ``key`` is the
    caller's own name for a spending, unique for ever; ``reference`` is the reservation that it
    belongs to. ``units`` is the amount of the feature that was used; a free use moves no credits.
    """

    id = PublicIdField(prefix="ctx")
    customer = models.ForeignKey(
        "projects.Customer", on_delete=models.PROTECT, related_name="+", db_constraint=False
    )
    movement = models.CharField(max_length=12, choices=MOVEMENTS)
    amount = models.BigIntegerField()
    units = models.BigIntegerField(null=True)
    balance = models.BigIntegerField()
    key = models.CharField(max_length=255, null=True)
    reference = models.CharField(max_length=40, blank=True)
    feature = models.CharField(max_length=64, blank=True)
    reason = models.TextField(blank=True)
    actor = models.CharField(max_length=120, blank=True)
    occurred_at = models.DateTimeField()

    class Meta:
        constraints = [
            tenant_key("entitlements_credittransaction"),
            models.UniqueConstraint(
                fields=["project", "key"], name="entitlements_credittransaction_key_key"
            ),
            models.CheckConstraint(
                condition=models.Q(balance__gte=0)
                & (models.Q(amount__gt=0) | models.Q(amount=0, units__isnull=False)),
                name="entitlements_credittransaction_positive",
            ),
            *tenant_links("entitlements_credittransaction", [("customer", "projects.Customer")]),
        ]
        indexes = [
            models.Index(fields=["project", "customer", "-id"], name="credit_history"),
            models.Index(
                fields=["project", "reference"],
                condition=~models.Q(reference=""),
                name="credits_by_reference",
            ),
        ]
        triggers = [
            pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)
        ]

    def __str__(self) -> str:
        return f"{self.movement} {self.amount}"


class CreditEntry(ProjectOwned):
    """One side of a movement: credits into (positive) or out of (negative) one bucket of a grant.

    Append-only. The database refuses entries that do not sum to zero within their transaction and
    grant, and updates the sums of the grants from them.
    """

    id = PublicIdField(prefix="cen")
    transaction = models.ForeignKey(
        CreditTransaction, on_delete=models.PROTECT, related_name="entries", db_constraint=False
    )
    grant = models.ForeignKey(
        "entitlements.CreditGrant",
        on_delete=models.PROTECT,
        related_name="entries",
        db_constraint=False,
    )
    bucket = models.CharField(max_length=12, choices=BUCKETS)
    amount = models.BigIntegerField()

    class Meta:
        ordering = ["id"]
        constraints = [
            tenant_key("entitlements_creditentry"),
            models.CheckConstraint(
                condition=~models.Q(amount=0), name="entitlements_creditentry_not_nothing"
            ),
            models.CheckConstraint(
                condition=models.Q(bucket__in=[bucket.value for bucket in CreditBucket]),
                name="entitlements_creditentry_bucket",
            ),
            *tenant_links(
                "entitlements_creditentry",
                [
                    ("transaction", "entitlements.CreditTransaction"),
                    ("grant", "entitlements.CreditGrant"),
                ],
            ),
        ]
        indexes = [
            models.Index(fields=["project", "transaction"], name="entries_of_transaction"),
            models.Index(fields=["project", "grant"], name="entries_of_grant"),
        ]
        triggers = [
            pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete),
            pgtrigger.Trigger(
                name="post",
                level=pgtrigger.Statement,
                when=pgtrigger.After,
                operation=pgtrigger.Insert,
                referencing=pgtrigger.Referencing(new="posted"),  # type: ignore[no-untyped-call]
                func=POST,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.bucket} {self.amount:+}"
