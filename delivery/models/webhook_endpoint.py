from datetime import datetime

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from common.crypto import decrypt, encrypt
from common.ids import PublicIdField
from common.models import ProjectOwned, tenant_key

SCHEMA_VERSIONS = (1,)
"""Versions of the events' shapes that an endpoint can have, oldest first."""
CURRENT_SCHEMA = SCHEMA_VERSIONS[-1]
"""What a new endpoint gets that names none. It keeps it when there is a newer one."""
LEASE_FIELDS = ("epoch", "leased_until", "due_at")


class EndpointState(models.TextChoices):
    ENABLED = "enabled", "Enabled"
    DISABLED = "disabled", "Disabled"


class DisabledReason(models.TextChoices):
    """Why an endpoint gets nothing. All but ``manual`` are ours."""

    MANUAL = "manual", "Disabled by hand"
    GONE = "gone", "The receiver answered 410 Gone"
    FAILING = "failing", "No delivery succeeded for five days"
    ADDRESS = "address", "The name leads to an address that is not on the public internet"


class EventOrder(models.TextChoices):
    NONE = "none", "Events may overtake each other"
    CUSTOMER = "customer", "The next event of a customer waits for the one before"


class WebhookEndpoint(ProjectOwned):
    """Where a project receives its events.

    The endpoint is a lane: one process at a time has its lease (``epoch``, ``leased_until``) and
    sends its deliveries. ``position`` is that of the last event for which a delivery was created,
    or which the filter left out: while the endpoint is disabled it stands still, and nothing is
    lost. ``due_at`` is when the next waiting delivery is due, as of the last release of the lease.

    ``failing_since``, ``failures``, ``breaker_until`` and ``pauses`` describe the failures in a row
    since the last success; ``warnings`` counts the ``webhook_endpoint.failing`` events of this row
    of failures.
    """

    id = PublicIdField(prefix="whe")
    url = models.CharField(max_length=2000)
    description = models.CharField(max_length=500, blank=True)
    event_types = ArrayField(
        models.CharField(max_length=64), default=list, help_text="Empty: all types."
    )
    schema_version = models.SmallIntegerField(default=CURRENT_SCHEMA)
    header_names = ArrayField(models.CharField(max_length=128), default=list, editable=False)
    sealed_headers = models.TextField(blank=True, editable=False)
    ordering = models.CharField(max_length=10, choices=EventOrder.choices, default=EventOrder.NONE)
    rate = models.PositiveSmallIntegerField(default=20, help_text="Deliveries per second, at most.")
    state = models.CharField(
        max_length=10, choices=EndpointState.choices, default=EndpointState.ENABLED
    )
    disabled_reason = models.CharField(max_length=10, choices=DisabledReason.choices, blank=True)
    disabled_at = models.DateTimeField(null=True, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True)
    position = models.BigIntegerField()
    due_at = models.DateTimeField(null=True, blank=True, editable=False)
    epoch = models.BigIntegerField(default=0, editable=False)
    leased_until = models.DateTimeField(null=True, editable=False)
    last_success_at = models.DateTimeField(null=True, blank=True)
    failing_since = models.DateTimeField(null=True, blank=True)
    failures = models.PositiveIntegerField(default=0)
    warnings = models.PositiveSmallIntegerField(default=0, editable=False)
    breaker_until = models.DateTimeField(null=True, blank=True)
    pauses = models.PositiveSmallIntegerField(default=0, editable=False)
    last_problem = models.CharField(max_length=300, blank=True)
    address_refused_at = models.DateTimeField(null=True, editable=False)
    certificate_expires_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [tenant_key("delivery_webhookendpoint")]
        indexes = [
            models.Index(
                fields=["project", "-id"],
                condition=models.Q(deleted_at__isnull=True),
                name="endpoint_by_project",
            ),
            models.Index(
                fields=["due_at"],
                condition=models.Q(due_at__isnull=False),
                name="endpoint_by_due_time",
            ),
        ]

    def __str__(self) -> str:
        return self.url

    @property
    def is_enabled(self) -> bool:
        return self.state == EndpointState.ENABLED and self.deleted_at is None

    def end_lease(self, *, at: datetime) -> None:
        """Make the process that has the lane give it up, and let it be claimed anew, which finds
        out when the next delivery is due. Save ``LEASE_FIELDS``."""
        self.epoch += 1
        self.leased_until, self.due_at = None, at

    @property
    def headers_context(self) -> str:
        """What the encrypted headers are bound to (:mod:`common.crypto`)."""
        return f"WebhookEndpoint:{self.pk}:headers"

    def seal_headers(self, text: str) -> None:
        """Store the headers, as JSON, encrypted."""
        self.sealed_headers = encrypt(text, context=self.headers_context) if text else ""

    def open_headers(self) -> str:
        """The headers as JSON; empty without any. Raises CannotDecrypt."""
        if not self.sealed_headers:
            return ""
        return decrypt(self.sealed_headers, context=self.headers_context)
