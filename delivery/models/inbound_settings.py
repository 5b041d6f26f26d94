from django.db import models

from common.ids import PublicIdField
from common.models import ProjectOwned, tenant_key


class InboundSettings(ProjectOwned):
    """How a project hears of its users from an auth service; without a row it hears of none by the
    shared streams.

    ``follows_stream`` lets messages of the shared streams change the project's customers.
    ``cancels_subscriptions`` is what happens to running subscriptions of a deleted user.
    """

    id = PublicIdField(prefix="inb")
    follows_stream = models.BooleanField(default=False)
    cancels_subscriptions = models.BooleanField(default=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "inbound settings"
        constraints = [
            tenant_key("delivery_inboundsettings"),
            models.UniqueConstraint(fields=["project"], name="delivery_inboundsettings_key"),
        ]

    def __str__(self) -> str:
        return f"inbound messages of {self.project_id}"
