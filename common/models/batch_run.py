from django.db import models
from django.db.models.functions import Now

from common.models.project_owned import ProjectOwned


class RunStatus(models.TextChoices):
    """``superseded``: a newer run processes all rows again."""

    PLANNED = "planned", "Planned"
    RUNNING = "running", "Running"
    MOVING = "moving", "Moving"
    DONE = "done", "Done"
    SUPERSEDED = "superseded", "Superseded"
    DISCARDED = "discarded", "Discarded"


class BatchRun(ProjectOwned):
    """Background work on many rows of a project, in batches.

    ``cursor`` is the id of the last processed row; each batch moves it in its own transaction, so
    that another worker can continue after a crash. ``seen_at`` is when a worker first saw the run,
    ``next_try_at`` when the next batch is due, both by the database's clock.
    """

    status = models.CharField(
        max_length=12, choices=RunStatus.choices, default=RunStatus.RUNNING.value
    )
    cursor = models.CharField(max_length=40, blank=True, editable=False)
    total = models.PositiveIntegerField(null=True, help_text="Number of rows at the start.")
    looked_at = models.PositiveIntegerField(default=0, help_text="Number of processed rows.")
    changed = models.PositiveIntegerField(
        default=0, help_text="Number of rows with a changed result."
    )
    failed = models.JSONField(default=list, blank=True, help_text="Ids of rows that failed.")
    attempts = models.PositiveSmallIntegerField(default=0, editable=False)
    last_error = models.CharField(max_length=255, blank=True)
    seen_at = models.DateTimeField(null=True, editable=False)
    next_try_at = models.DateTimeField(db_default=Now(), editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True
