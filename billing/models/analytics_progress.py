from django.db import models

from common.ids import PublicIdField
from common.models import ProjectOwned, tenant_key


class AnalyticsProgress(ProjectOwned):
    """How far the days of a project are counted.

    All days before ``next_day`` are counted. ``after`` is the last subscription of ``next_day``
    whose span is written, so that a worker goes on where another one stopped.
    """

    id = PublicIdField(prefix="cnt")
    first_day = models.DateField(null=True, help_text="The first day that was counted.")
    next_day = models.DateField(null=True, help_text="The first day that is not counted yet.")
    after = models.CharField(max_length=30, blank=True, default="")
    revenue_counted_at = models.DateTimeField(null=True)
    due_at = models.DateTimeField()
    paged_at = models.DateTimeField(
        null=True, help_text="When its last page was counted, by the database's clock."
    )

    class Meta:
        constraints = [
            tenant_key("billing_analyticsprogress"),
            models.UniqueConstraint(fields=["project"], name="billing_analyticsprogress_key"),
        ]
        indexes = [models.Index(fields=["due_at"], name="analytics_by_due_time")]

    def __str__(self) -> str:
        return f"{self.project_id} before {self.next_day}"
