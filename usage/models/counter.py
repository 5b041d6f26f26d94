from django.db import models

from common.models import ProjectOwned, tenant_links


class Counter(ProjectOwned):
    """How much of a meter a customer has used in the running period: what a limit is held against.

    ``period`` names how its windows follow each other (``usage.periods.Period.key``); one with a
    ``+`` is for the windows that go on because nothing later is paid. The row is
    made when somebody first asks, from the totals; from then on every record changes it in the
    transaction that stores the record. Windows are half-open ``[starts_at, ends_at)``.
    ``reserved`` is what was promised and neither used nor given back yet. ``siblings`` is how many
    counters there are of this customer and meter, this one included.
    """

    pk = models.CompositePrimaryKey("project", "customer", "meter", "period")
    customer = models.ForeignKey(
        "projects.Customer", on_delete=models.PROTECT, related_name="+", db_constraint=False
    )
    meter = models.ForeignKey(
        "usage.Meter", on_delete=models.PROTECT, related_name="+", db_constraint=False
    )
    period = models.CharField(max_length=40)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(help_text="The last moment that there is, when it never resets.")
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
