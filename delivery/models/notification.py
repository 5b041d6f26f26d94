from django.db import models

from common.ids import PublicIdField
from common.models import ProjectOwned, tenant_key

OPERATORS = "operators"
"""Recipient of what the installation's operators are told."""


class Channel(models.TextChoices):
    """How a project's people get notifications."""

    NONE = "none", "None"
    MAIL = "mail", "Mail"
    HERMES = "hermes", "Hermes"


class NotificationState(models.TextChoices):
    PLANNED = "planned", "Planned"
    SENDING = "sending", "Sending"
    SENT = "sent", "Sent"
    REFUSED = "refused", "Refused"
    UNKNOWN = "unknown", "Unknown"
    SUPPRESSED = "suppressed", "Suppressed"


class Notification(ProjectOwned):
    """One message to one person about one thing that happened.

    ``source`` is the id of the event, or what the clock brought about: the subscription or key and
    the time. ``recipient`` is the id of the customer, or of the project for its own people, or
    ``operators``; no address is stored. ``sending`` is committed before the message leaves: a
    process that dies then leaves a row whose result nobody knows, and which is never sent again by
    itself.
    """

    id = PublicIdField(prefix="ntf")
    source = models.CharField(max_length=128)
    kind = models.CharField(max_length=40)
    recipient = models.CharField(max_length=64)
    subject = models.CharField(max_length=64, help_text="The id of what the message is about.")
    channel = models.CharField(max_length=10, choices=Channel.choices)
    state = models.CharField(
        max_length=12, choices=NotificationState.choices, default=NotificationState.PLANNED
    )
    reason = models.CharField(
        max_length=64, blank=True, help_text="Why it was not sent, as a code."
    )
    attempts = models.PositiveIntegerField(default=0)
    due_at = models.DateTimeField(help_text="Not sent before.")
    useless_at = models.DateTimeField(help_text="Not sent after.")
    lease = models.CharField(max_length=32, blank=True, editable=False)
    leased_until = models.DateTimeField(null=True, editable=False)
    address_digest = models.CharField(
        max_length=64, blank=True, editable=False, help_text="Of the address that it was sent to."
    )
    provider_id = models.CharField(max_length=255, blank=True)
    tried_at = models.DateTimeField(
        null=True, help_text="When its content left for the first time."
    )
    sent_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        verbose_name = "message"
        constraints = [
            tenant_key("delivery_notification"),
            models.UniqueConstraint(
                fields=["project", "source", "recipient", "kind"],
                name="delivery_notification_once",
            ),
        ]
        indexes = [
            models.Index(
                fields=["due_at"],
                condition=models.Q(state="planned"),
                name="notification_by_due_time",
            ),
            models.Index(
                fields=["leased_until"],
                condition=models.Q(state="sending"),
                name="notification_in_flight",
            ),
            models.Index(fields=["project", "state", "-id"], name="notification_by_state"),
            models.Index(fields=["project", "recipient", "-id"], name="notification_by_reader"),
            models.Index(fields=["created_at"], name="notification_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"
