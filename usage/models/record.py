from django.db import models

from common.models import ProjectOwned
from common.partitions import MonthlyTable

RECORD_MONTHS = MonthlyTable("usage_record", column="occurred_at")


class Forwarding(models.TextChoices):
    """The state of reporting a record to Stripe."""

    NONE = "", "Not reported"
    PENDING = "pending", "To be reported"
    WAITING = "waiting", "To be reported once Stripe has the customer"
    REPORTED = "told", "Reported"
    CANCELING = "canceling", "To be canceled"
    CANCELED = "canceled", "Canceled"
    REFUSED = "refused", "Refused by Stripe"
    EXPIRED = "expired", "Too old when Stripe got the customer"


class Record(ProjectOwned):
    """One use of a metered feature. A correction is a new record; a voided record keeps its row.

    Partitioned by the month of ``occurred_at`` (UTC), without foreign keys: the statement that
    writes it reads project, customer and meter from their own rows. ``value`` is an integer;
    ``member`` is the digest of the value that a ``unique`` meter distinguishes. ``forwarded_at`` is
    when the record was first reported to Stripe, ``event_identifier`` the meter event that reports
    it (``meter_events``).
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
    """Ensures that a record exists once, by an id that is derived from the sender's key.

    Partitions cannot keep a key unique across months; this table does, as long as the records live.
    ``fingerprint`` distinguishes a repeated use from another use with the same key where the record
    alone does not; otherwise it is empty. Its primary key is the id alone, which makes the index
    half as large: the id is derived from both the project and the sender's key.
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
