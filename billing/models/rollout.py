from django.db import models

from common.ids import PublicIdField
from common.models import BatchRun, ProjectOwned, RunStatus, tenant_key, tenant_links


class Rollout(BatchRun):
    """Brings a change of a product's features, credits or price to all holders of the product.

    One rollout belongs to one ``catalog_version`` of the product. It can be planned first:
    ``terms`` is the planned change and ``figures`` its effect at that time. Applying the rollout
    makes exactly the changes in ``terms``, and moves exactly the subscriptions of its moves.
    """

    id = PublicIdField(prefix="rol")
    product = models.ForeignKey(
        "billing.Product", on_delete=models.PROTECT, related_name="rollouts", db_constraint=False
    )
    catalog_version = models.BigIntegerField()
    terms = models.JSONField(default=dict, blank=True)
    figures = models.JSONField(default=dict, blank=True)
    is_plan = models.BooleanField(default=False)
    started_by = models.CharField(max_length=120)
    reason = models.CharField(max_length=500, blank=True)
    applied_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            tenant_key("billing_rollout"),
            *tenant_links("billing_rollout", [("product", "billing.Product")]),
        ]
        indexes = [
            models.Index(
                fields=["next_try_at"],
                condition=models.Q(status__in=["running", "moving"]),
                name="rollout_due",
            ),
            models.Index(fields=["project", "product", "-id"], name="rollout_by_product"),
        ]

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def is_under_way(self) -> bool:
        return self.status in (RunStatus.RUNNING, RunStatus.MOVING)


class MoveStatus(models.TextChoices):
    WAITING = "waiting", "Waiting"
    DONE = "done", "Done"
    REFUSED = "refused", "Refused"


class RolloutMove(ProjectOwned):
    """One subscription that moves to another price, with the result."""

    id = PublicIdField(prefix="rolm")
    rollout = models.ForeignKey(
        Rollout, on_delete=models.CASCADE, related_name="moves", db_constraint=False
    )
    subscription = models.ForeignKey(
        "billing.Subscription", on_delete=models.PROTECT, related_name="+", db_constraint=False
    )
    status = models.CharField(
        max_length=8, choices=MoveStatus.choices, default=MoveStatus.WAITING.value
    )
    code = models.CharField(max_length=64, blank=True, help_text="Error code of the refusal.")
    detail = models.TextField(blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            tenant_key("billing_rolloutmove"),
            models.UniqueConstraint(
                fields=["project", "rollout", "subscription"], name="billing_rolloutmove_key"
            ),
            *tenant_links(
                "billing_rolloutmove",
                [("rollout", "billing.Rollout"), ("subscription", "billing.Subscription")],
            ),
        ]
        indexes = [
            models.Index(fields=["project", "rollout", "status", "id"], name="move_by_rollout")
        ]

    def __str__(self) -> str:
        return f"{self.subscription_id}: {self.status}"
