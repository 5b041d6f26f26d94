from django.db import models

from billing.models.sync_object import ObjectKind
from common.ids import PublicIdField
from common.models import ProjectOwned, tenant_key


class MissingReason(models.TextChoices):
    """Why Stripe's 404 counts as a deletion, or why it does not."""

    DELETED = "deleted", "Objects of this kind can be deleted, and few were"
    NEVER_DELETED = "never_deleted", "Stripe never deletes objects of this kind"
    TOO_MANY = "too_many", "Too many objects of the account are missing at once"
    POLICY = "policy", "The heal policy leaves it to an operator"


class MissingState(models.TextChoices):
    """``waiting``: an operator must decide. ``gone`` and ``kept`` are decisions by a rule or an
    operator."""

    WAITING = "waiting", "Waits for a decision"
    GONE = "gone", "Taken as gone"
    KEPT = "kept", "Our row is kept as it is"
    FOUND = "found", "Exists again"


class MissingObject(ProjectOwned):
    """A mirrored object for which Stripe answered 404, and the decision about our row.

    A 404 may mean that the object was deleted, but also a wrong key, mode or account. While the
    state is ``waiting``, our row stays unchanged.
    """

    id = PublicIdField(prefix="mis")
    account = models.ForeignKey("billing.StripeAccount", on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=20, choices=ObjectKind.choices)
    stripe_id = models.CharField(max_length=255)
    our_id = models.CharField(max_length=64, help_text="Our row that mirrors the object.")
    reason = models.CharField(max_length=16, choices=MissingReason.choices)
    state = models.CharField(max_length=8, choices=MissingState.choices)
    found_at = models.DateTimeField(help_text="When Stripe first answered 404.")
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.CharField(max_length=120, blank=True, help_text="Empty if a rule decided.")

    class Meta:
        constraints = [
            tenant_key("billing_missingobject"),
            models.UniqueConstraint(
                fields=["project", "account", "kind", "stripe_id"],
                name="billing_missingobject_object_key",
            ),
        ]
        indexes = [
            models.Index(fields=["account", "state", "found_at"], name="missing_by_account"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.stripe_id}"

    @property
    def is_waiting(self) -> bool:
        return self.state == MissingState.WAITING
