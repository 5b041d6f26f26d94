from django.db import models


class ReconcilePhase(models.TextChoices):
    """Progress of one step of a pass."""

    LISTING = "listing", "Reads Stripe's list and compares"
    UNLISTED = "unlisted", "Checks rows that the list did not contain"
    FINISHED = "finished", "Finished"
    STOPPED = "stopped", "Stopped: too many objects are missing, an operator decides"
    FAILED = "failed", "Failed too often; the next pass tries again"


class ReconcileRun(models.Model):
    """Progress of one step of a reconciliation pass.

    A step is one kind of object of one account, or one law of our own tables (without an account).
    ``after`` is the last object whose page is done. A worker takes the lease before it continues,
    so that a pass goes on after a worker has died.
    """

    purpose = models.CharField(max_length=64, help_text="``nightly``, or the command.")
    account = models.ForeignKey("billing.StripeAccount", on_delete=models.CASCADE, null=True)
    step = models.CharField(max_length=32, help_text="A kind of object, or a law.")
    phase = models.CharField(max_length=12, choices=ReconcilePhase.choices)
    after = models.CharField(max_length=255, blank=True)
    started_at = models.DateTimeField()
    touched_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    leased_until = models.DateTimeField(null=True)
    next_try_at = models.DateTimeField()
    attempts = models.PositiveSmallIntegerField(default=0)
    compared = models.BigIntegerField(default=0)
    found = models.BigIntegerField(default=0)
    failed = models.BigIntegerField(default=0)
    last_error = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["purpose", "account", "step"],
                name="billing_reconcilerun_key",
                nulls_distinct=False,
            )
        ]

    def __str__(self) -> str:
        return f"{self.purpose} {self.step}"

    @property
    def is_open(self) -> bool:
        return self.finished_at is None


class ReconcileSighting(models.Model):
    """An object in Stripe's list, seen by a run that is under way.

    Rows of ours that the list did not name are read singly. The sightings are in the database so
    that memory and crashes are no limit.
    """

    run = models.ForeignKey(ReconcileRun, on_delete=models.CASCADE, related_name="sightings")
    stripe_id = models.CharField(max_length=255)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["run", "stripe_id"], name="billing_reconcilesighting_key"
            )
        ]

    def __str__(self) -> str:
        return self.stripe_id
