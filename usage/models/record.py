from django.db import models

from common.models import ProjectOwned
from common.partitions import MonthlyTable

RECORD_MONTHS = MonthlyTable("usage_record", column="occurred_at")


class Forwarding(models.TextChoices):
    """The state of reporting a record to Stripe."""

    NONE = "", "Not told"
    PENDING = "pending", "To be told"
    WAITING = "waiting", "To be told once Stripe knows the customer"
    TOLD = "told", "Told"
    CANCELING = "canceling", "To be taken back"
    CANCELED = "canceled", "Taken back"
    REFUSED = "refused", "Refused by Stripe"
    EXPIRED = "expired", "Too old when Stripe came to know the customer"


class Record(ProjectOwned):
    """One use of something that is metered. A correction is a new record; a void keeps the row.

    Partitioned by the month of ``occurred_at`` (UTC), without foreign keys: the statement that
    writes it reads project, customer and meter from their own rows. ``value`` is a whole number;
    ``member`` is the digest of what a ``unique`` meter tells apart. ``forwarded_at`` is when Stripe
    was first asked to count it, ``event_identifier`` in which meter event (``meter_events``).
    """

    pk = models.CompositePrimaryKey("project", "customer", "meter", "occurred_at", "id")
    id = models.CharField(max_length=30, db_collation="C")
    customer = models.ForeignKey(
        "projects.Customer", on_delete=models.PROTECT, related_name="+", db_constraint=False
    )
    meter = models.ForeignKey(
        "usage.Meter", on_delete=models.PROTECT, related_name="+", db_constraint=False
    )
    value = models.BigIntegerField()
    member = models.BinaryField(null=True, max_length=16)
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    corrects = models.CharField(max_length=30, blank=True, db_collation="C")
    voided_at = models.DateTimeField(null=True)
    forwarding = models.CharField(max_length=12, blank=True, choices=Forwarding.choices)
    forwarding_error = models.TextField(blank=True)
    forwarded_at = models.DateTimeField(null=True)
    event_identifier = models.CharField(
        max_length=64, blank=True, default="", db_default="", db_collation="C"
    )

    class Meta:
        indexes = [
            models.Index(fields=["customer", "meter", "occurred_at"], name="usage_record_place"),
            models.Index(
                fields=["meter", "recorded_at"],
                condition=models.Q(forwarding__in=["pending", "canceling"]),
                name="usage_record_by_lane",
            ),
            models.Index(
                fields=["project", "customer"],
                condition=models.Q(forwarding="waiting"),
                name="usage_record_waiting",
            ),
            models.Index(
                fields=["project", "recorded_at"],
                condition=models.Q(forwarding="refused"),
                name="usage_record_refused",
            ),
        ]

    def __str__(self) -> str:
        return self.id


class RecordKey(ProjectOwned):
    """That a record is there, under the id that follows from the key which its sender gave it.

    Partitions cannot keep a key unique among them; this table does, for as long as records live.
    ``fingerprint`` tells a repeated use from another one under the same key where the record
    alone does not; empty otherwise. Its key is the id alone, as of every row with a public id, and
    half as large for it: project and key of the sender are both in the id.
    """

    id = models.CharField(primary_key=True, max_length=30, db_collation="C")
    customer = models.ForeignKey(
        "projects.Customer", on_delete=models.PROTECT, related_name="+", db_constraint=False
    )
    meter = models.ForeignKey(
        "usage.Meter", on_delete=models.PROTECT, related_name="+", db_constraint=False
    )
    occurred_at = models.DateTimeField()
    fingerprint = models.BinaryField(max_length=16)

    def __str__(self) -> str:
        return self.id
