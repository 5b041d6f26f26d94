from django.db import models
from django.db.models.functions import Now

from common.ids import PublicIdField


class ReconciliationState(models.TextChoices):
    """``failed``: it is over, but a step could not be compared."""

    RUNNING = "running", "Running"
    PAUSED = "paused", "Paused by an operator"
    FINISHED = "finished", "Finished"
    FAILED = "failed", "Over, but not everything could be compared"
    STOPPED = "stopped", "Stopped before its end"


UNFINISHED = (ReconciliationState.RUNNING, ReconciliationState.PAUSED)


class Reconciliation(models.Model):
    """One reconciliation of a Stripe account: requested by a person or a key, or the nightly pass.

    ``account`` is empty for the nightly check of our own tables. With ``project``, only objects of
    that project are compared: several projects may sell through the account. ``purpose`` is the key
    of its steps (``ReconcileRun``). The figures are set when it is over.
    """

    id = PublicIdField(prefix="rec")
    account = models.ForeignKey(
        "billing.StripeAccount", on_delete=models.PROTECT, null=True, related_name="+"
    )
    project = models.ForeignKey(
        "projects.Project", on_delete=models.PROTECT, null=True, related_name="+"
    )
    purpose = models.CharField(max_length=64, help_text="nightly, or its own id.")
    kinds = models.JSONField(default=list, help_text="The steps that were requested; empty: all.")
    dry_run = models.BooleanField(default=False)
    reason = models.CharField(max_length=1000, blank=True)
    started_by = models.CharField(max_length=120)
    state = models.CharField(
        max_length=8, choices=ReconciliationState.choices, default=ReconciliationState.RUNNING.value
    )
    started_at = models.DateTimeField()
    worked_at = models.DateTimeField(
        db_default=Now(), help_text="When a worker last took its turn, by the database's clock."
    )
    paused_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    ended_by = models.CharField(max_length=120, blank=True, help_text="Who stopped it.")
    compared = models.BigIntegerField(default=0)
    found = models.BigIntegerField(default=0)
    healed = models.BigIntegerField(default=0)
    parked = models.BigIntegerField(default=0)
    not_compared = models.BigIntegerField(
        default=0, help_text="Objects and steps that could not be compared."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "project"],
                condition=models.Q(finished_at__isnull=True),
                nulls_distinct=False,
                name="one_reconciliation_per_scope",
            )
        ]
        indexes = [
            models.Index(
                fields=["account", "id"],
                condition=models.Q(finished_at__isnull=True),
                name="reconciliation_unfinished",
            ),
            models.Index(fields=["project", "-id"], name="reconciliation_by_project"),
            models.Index(fields=["finished_at"], name="reconciliation_by_end"),
        ]

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def is_unfinished(self) -> bool:
        return self.finished_at is None
