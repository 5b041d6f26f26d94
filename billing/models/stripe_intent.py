from django.db import models
from django.db.models.functions import Now

from common.ids import PublicIdField
from common.models import ProjectOwned, tenant_key


class IntentState(models.TextChoices):
    """``unknown``: sent, without an answer. ``parked``: an operator must decide."""

    PLANNED = "planned", "Planned"
    SENT = "sent", "Sent"
    UNKNOWN = "unknown", "Unknown"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"
    PARKED = "parked", "Parked"


OPEN = frozenset({IntentState.PLANNED, IntentState.SENT, IntentState.UNKNOWN})
"""States in which the result at Stripe is not known yet."""


class StripeIntent(ProjectOwned):
    """One request to Stripe, stored before it is sent.

    ``purpose`` identifies the request: a second request with the same purpose is the same intent.
    ``params`` are the parameters sent to Stripe. ``key_generation`` counts the idempotency keys
    used up. ``answered_at`` is when the caller got the answer. Leases and due times use the
    database's clock.
    """

    id = PublicIdField(prefix="int")
    account = models.ForeignKey("billing.StripeAccount", on_delete=models.PROTECT, related_name="+")
    operation = models.CharField(
        max_length=48, help_text="A name in billing.stripe.write_operations."
    )
    purpose = models.CharField(max_length=255)
    traceparent = models.CharField(
        max_length=55, blank=True, db_default="", help_text="What it was requested in (W3C)."
    )
    subject = models.CharField(max_length=40, help_text="Our row that this is for.")
    target = models.CharField(
        max_length=255, blank=True, help_text="The Stripe object that is changed, if there is one."
    )
    params = models.JSONField(default=dict, editable=False)
    key_generation = models.PositiveSmallIntegerField(default=0)
    state = models.CharField(max_length=8, choices=IntentState.choices, default=IntentState.PLANNED)
    stripe_id = models.CharField(
        max_length=255, blank=True, help_text="The object that Stripe created."
    )
    attempts = models.PositiveSmallIntegerField(default=0)
    sent_at = models.DateTimeField(null=True, help_text="First request with this key.")
    asked_at = models.DateTimeField(null=True, help_text="Last request with any key.")
    failed_at = models.DateTimeField(
        null=True, help_text="When its idempotency key was found to be unusable."
    )
    answered_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    next_try_at = models.DateTimeField(db_default=Now())
    leased_until = models.DateTimeField(null=True)
    last_error = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            tenant_key("billing_stripeintent"),
            models.UniqueConstraint(
                fields=["project", "purpose"], name="billing_stripeintent_purpose_key"
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_try_at"],
                condition=models.Q(state__in=sorted(OPEN)),
                name="intent_due",
            ),
            models.Index(
                fields=["finished_at"],
                condition=models.Q(finished_at__isnull=False),
                name="intent_finished",
            ),
            models.Index(
                fields=["updated_at"],
                condition=models.Q(state=IntentState.PARKED),
                name="intent_parked",
            ),
            models.Index(fields=["project", "subject"], name="intent_by_subject"),
            models.Index(fields=["project", "target", "-id"], name="intent_by_target"),
        ]

    def __str__(self) -> str:
        return f"{self.operation} ({self.state})"

    @property
    def is_open(self) -> bool:
        return self.state in OPEN

    @property
    def idempotency_key(self) -> str:
        """The key for the next request to Stripe."""
        return f"{self.pk}-{self.key_generation}"
