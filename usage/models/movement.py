from django.db import models

from common.models import ProjectOwned


class Movement(ProjectOwned):
    """Marks that usage of a watched meter has changed, so that its limits must be checked.

    Written with the records and deleted by the check. Like records, it has no foreign keys.
    """

    pk = models.CompositePrimaryKey("project", "customer", "meter")
    customer = models.ForeignKey(
        "projects.Customer", on_delete=models.PROTECT, related_name="+", db_constraint=False
    )
    meter = models.ForeignKey(
        "usage.Meter", on_delete=models.PROTECT, related_name="+", db_constraint=False
    )
    moved_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["moved_at"], name="usage_movement_oldest")]

    def __str__(self) -> str:
        return f"{self.customer_id} {self.meter_id}"
