from django.db import models

from common.models import ProjectOwned, tenant_links


class Counter(ProjectOwned):
    """A customer's usage of a meter in the running period, to which limits are compared.

    ``period`` identifies the sequence of windows (``usage.periods.Period.key``); a ``+`` in it
    marks windows that continue because no later period is paid. The row is created from the totals
    at the first check; from then on every record updates it in its own transaction. Windows are
    half-open ``[starts_at, ends_at)``. ``reserved`` is the amount of open reservations.
    ``siblings`` is the number of counters of this customer and meter, including this one. Every
    query names the project and the customer, so the primary key is the only index for them.
    """

    pk = models.CompositePrimaryKey("project", "customer", "meter", "period")
    project = models.ForeignKey(
        "projects.Project", on_delete=models.PROTECT, db_index=False, related_name="+"
    )
    customer = models.ForeignKey(
        "projects.Customer",
        on_delete=models.PROTECT,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )
    meter = models.ForeignKey(
        "usage.Meter",
        on_delete=models.PROTECT,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )
    period = models.CharField(max_length=40)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(help_text="The largest possible time if it never resets.")
    used = models.DecimalField(max_digits=38, decimal_places=0)
    reserved = models.DecimalField(max_digits=38, decimal_places=0, default=0)
    siblings = models.PositiveSmallIntegerField(default=1)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(used__gte=0, reserved__gte=0), name="usage_counter_not_negative"
            ),
            *tenant_links(
                "usage_counter", [("customer", "projects.Customer"), ("meter", "usage.Meter")]
            ),
        ]
        indexes = [models.Index(fields=["ends_at"], name="usage_counter_over")]

    def __str__(self) -> str:
        return f"{self.customer_id} {self.meter_id} {self.period}"
