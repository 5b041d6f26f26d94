from django.db import models
from django.db.models.functions import Now


class ObjectKind(models.TextChoices):
    """The Stripe objects that we mirror, each with the objects below it."""

    CUSTOMER = "customer", "Customer"
    PRODUCT = "product", "Product"
    PRICE = "price", "Price"
    CHECKOUT_SESSION = "checkout_session", "Checkout session"
    PAYMENT_INTENT = "payment_intent", "Payment, with its refunds and disputes"
    SUBSCRIPTION = "subscription", "Subscription, with its items"
    INVOICE = "invoice", "Invoice, with its lines"
    COUPON = "coupon", "Coupon"
    PROMOTION_CODE = "promotion_code", "Promotion code"
    FRAUD_WARNING = "fraud_warning", "Early fraud warning"


class SyncObject(models.Model):
    """A Stripe object in the sync queue, which records what must be read again.

    ``requested`` counts the requests to read it; ``applied`` is the last request that an applied
    read covers. The object is due while ``applied < requested``, from ``next_try_at`` on. ``epoch``
    is the fence: each claim increments it, and a write with an older epoch is refused.
    ``stripe_event_id`` is the event that requested the last read, empty if it was no event.
    ``event_created_at`` is when Stripe created that event.
    ``traceparent`` is the trace of the last request of ours for the object, from ``traced_at`` on;
    what Stripe tells within a day continues it.
    ``applied_digest`` stands for the snapshot that was applied last
    (``billing.sync.snapshot_digest``); without one the next is applied even if it is the same.
    Leases and due times use the database's clock. The models in ``tests/models`` check every
    schedule.
    """

    account = models.ForeignKey(
        "billing.StripeAccount",
        on_delete=models.PROTECT,
        db_index=False,  # the unique key begins with it
    )
    kind = models.CharField(max_length=20, choices=ObjectKind.choices)
    stripe_id = models.CharField(max_length=255)
    project = models.ForeignKey(
        "projects.Project", on_delete=models.PROTECT, null=True, related_name="+"
    )
    lane = models.CharField(
        max_length=64,
        blank=True,
        db_default="",
        help_text="The project for which it waits in the queue; empty while it is not known.",
    )
    requested = models.BigIntegerField(default=0)
    applied = models.BigIntegerField(default=0)
    epoch = models.BigIntegerField(default=0)
    leased_until = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_try_at = models.DateTimeField(db_default=Now())
    parked_at = models.DateTimeField(null=True)
    out_of_date_since = models.DateTimeField(
        null=True, help_text="Since when a tenant knows that its copy is out of date."
    )
    foreign_at = models.DateTimeField(null=True, help_text="When no project was found to own it.")
    foreign_customer = models.CharField(
        max_length=255,
        blank=True,
        help_text="The Stripe customer of a foreign object; it is read again once we know "
        "that customer.",
    )
    last_error = models.TextField(blank=True)
    stripe_event_id = models.CharField(max_length=255, blank=True, db_default="")
    event_created_at = models.DateTimeField(null=True)
    traceparent = models.CharField(max_length=55, blank=True, db_default="")
    traced_at = models.DateTimeField(null=True)
    applied_digest = models.BinaryField(null=True)
    applied_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "kind", "stripe_id"], name="billing_syncobject_key"
            )
        ]
        indexes = [
            models.Index(
                fields=["account", "kind", "lane", "next_try_at"],
                condition=models.Q(applied__lt=models.F("requested"), parked_at__isnull=True),
                name="sync_due_by_lane",
            ),
            models.Index(
                fields=["parked_at"],
                condition=models.Q(parked_at__isnull=False),
                name="sync_parked",
            ),
            models.Index(
                fields=["account", "foreign_customer"],
                condition=models.Q(foreign_at__isnull=False),
                name="sync_foreign",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.stripe_id}"

    @property
    def state(self) -> str:
        """``parked``, ``waiting``, ``foreign`` or ``applied``."""
        if self.parked_at is not None:
            return "parked"
        if self.applied < self.requested:
            return "waiting"
        return "foreign" if self.foreign_at is not None else "applied"
