from django.db import models

from common.ids import PublicIdField


class InboundEvent(models.Model):
    """An event from Stripe, stored as the bytes that were signed.

    It is a hint that the object of ``sync`` must be read again: the event is processed once that
    object's ``applied`` has reached ``request_number``. An event of a type that we do not mirror
    has no ``sync`` and is *ignored*; an event that cannot be used is *quarantined*.
    """

    id = PublicIdField(prefix="iev")
    endpoint = models.ForeignKey(
        "billing.StripeEndpoint",
        on_delete=models.PROTECT,
        db_index=False,  # the unique key begins with it
        related_name="+",
    )
    event_id = models.CharField(max_length=255)
    type = models.CharField(max_length=120, blank=True)
    stripe_object_id = models.CharField(max_length=255, blank=True)
    customer_stripe_id = models.CharField(
        max_length=255, blank=True, default="", help_text="The customer that the object names."
    )
    body = models.BinaryField()
    erased_at = models.DateTimeField(
        null=True, help_text="When all but ids was removed, because its customer was erased."
    )
    sync = models.ForeignKey(
        "billing.SyncObject", on_delete=models.PROTECT, null=True, related_name="events"
    )
    request_number = models.BigIntegerField(null=True)
    quarantined = models.CharField(
        max_length=200, blank=True, help_text="The reason, if it is quarantined."
    )
    report_due_at = models.DateTimeField(
        null=True, help_text="When the announced report of lost usage is due to be fetched."
    )
    report_attempts = models.PositiveSmallIntegerField(db_default=0, default=0)
    deliveries = models.PositiveIntegerField(default=1)
    received_at = models.DateTimeField()
    last_received_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["endpoint", "event_id"], name="webhooks_inboundevent_key"
            )
        ]
        indexes = [
            models.Index(fields=["-received_at"], name="inbound_by_time"),
            models.Index(fields=["stripe_object_id"], name="inbound_by_object"),
            models.Index(
                fields=["customer_stripe_id"],
                condition=~models.Q(customer_stripe_id=""),
                name="inbound_by_customer",
            ),
            models.Index(fields=["type", "-received_at"], name="inbound_by_type"),
            models.Index(
                fields=["received_at"],
                condition=models.Q(quarantined__gt=""),
                name="inbound_quarantined",
            ),
            models.Index(
                fields=["report_due_at"],
                condition=models.Q(report_due_at__isnull=False),
                name="inbound_report_due",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.event_id}"

    @property
    def status(self) -> str:
        """``quarantined``, ``ignored``, ``parked``, ``waiting``, ``foreign`` or ``processed``."""
        if self.quarantined:
            return "quarantined"
        if self.sync is None or self.request_number is None:
            return "ignored"
        if self.sync.applied >= self.request_number:
            return "foreign" if self.sync.foreign_at is not None else "processed"
        return "parked" if self.sync.parked_at is not None else "waiting"
