import pgtrigger
from django.db import models

from common.ids import PublicIdField


class AuditEntry(models.Model):
    """One manual action: who, what, on which row, why, and what changed. Append-only.

    The project is empty for actions on the platform itself (a shared Stripe account, an event
    without an owner), so this is the only log that does not belong to a tenant.
    """

    id = PublicIdField(prefix="aud")
    project = models.ForeignKey(
        "projects.Project", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    actor = models.CharField(max_length=120, help_text="operator:<username>, key:<id>, command")
    action = models.CharField(max_length=64, help_text="noun.verb, such as grant.revoke")
    subject = models.CharField(max_length=64, help_text="The id of the row acted on.")
    reason = models.TextField(blank=True)
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    request_id = models.CharField(max_length=64, blank=True)
    request_key = models.CharField(
        max_length=64,
        blank=True,
        default="",
        editable=False,
        help_text="The same for all tries of one request with an Idempotency-Key.",
    )
    recorded_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "audit entries"
        indexes = [
            models.Index(fields=["subject", "-id"], name="audit_by_subject"),
            models.Index(fields=["project", "-id"], name="audit_by_project"),
        ]
        triggers = [
            pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.subject}"
