from django.contrib.postgres.fields import ArrayField
from django.db import models

from common.ids import PublicIdField
from common.models import ProjectOwned, tenant_key
from delivery.models.notification import Channel


class MailSettings(ProjectOwned):
    """How a project writes to its people; without a row, or with the channel ``none``, it does not.

    ``kinds`` are switched on one by one, so that a new kind of ours surprises no customer.
    """

    id = PublicIdField(prefix="mls")
    channel = models.CharField(max_length=10, choices=Channel.choices, default=Channel.NONE)
    kinds = ArrayField(models.CharField(max_length=40), default=list)
    sender_name = models.CharField(max_length=120, blank=True)
    reply_to = models.EmailField(max_length=254, blank=True)
    brand_name = models.CharField(max_length=120, blank=True)
    color = models.CharField(max_length=7, blank=True, help_text="Like #0f766e.")
    logo_url = models.CharField(max_length=2000, blank=True, help_text="https.")
    renewal_notice_days = models.PositiveSmallIntegerField(default=7)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "mail settings"
        constraints = [
            tenant_key("delivery_mailsettings"),
            models.UniqueConstraint(fields=["project"], name="delivery_mailsettings_key"),
        ]

    def __str__(self) -> str:
        return f"mail of {self.project_id}"
