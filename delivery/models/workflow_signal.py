from django.db import models

from common.ids import PublicIdField
from common.models import ProjectOwned, tenant_key


class SignalState(models.TextChoices):
    PLANNED = "planned", "Planned"
    SENT = "sent", "Sent"
    PARKED = "parked", "Parked"


class WorkflowSignal(ProjectOwned):
    """A signal to the workflow that waits for a payment.

    ``event_id`` is also the id of the request at Temporal, which makes a repetition harmless. A
    parked signal waits for an operator.
    """

    id = PublicIdField(prefix="sig")
    event_id = models.CharField(max_length=30)
    signal = models.CharField(max_length=40)
    workflow_id = models.CharField(max_length=250)
    payment_id = models.CharField(max_length=30)
    state = models.CharField(max_length=8, choices=SignalState.choices, default=SignalState.PLANNED)
    reason = models.CharField(
        max_length=64, blank=True, help_text="Why it was not sent the last time, as a code."
    )
    attempts = models.PositiveIntegerField(default=0)
    due_at = models.DateTimeField(help_text="Not sent before.")
    lease = models.CharField(max_length=32, blank=True, editable=False)
    leased_until = models.DateTimeField(null=True, editable=False)
    sent_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            tenant_key("delivery_workflowsignal"),
            models.UniqueConstraint(
                fields=["project", "event_id"], name="delivery_workflowsignal_once"
            ),
        ]
        indexes = [
            models.Index(
                fields=["due_at"], condition=models.Q(state="planned"), name="signal_by_due_time"
            ),
            models.Index(
                fields=["project", "payment_id"],
                condition=models.Q(state="planned"),
                name="signal_waiting_of_payment",
            ),
            models.Index(fields=["project", "state", "-id"], name="signal_by_state"),
            models.Index(fields=["project", "workflow_id"], name="signal_by_workflow"),
            models.Index(fields=["created_at"], name="signal_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.signal} {self.pk}"
