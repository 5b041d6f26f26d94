from django.db import models

from common.crypto import decrypt, encrypt
from common.ids import PublicIdField
from common.models import ProjectOwned, tenant_key, tenant_links


class WebhookSecret(ProjectOwned):
    """A signing secret of an endpoint. While it is replaced, two of them sign every delivery: the
    older one until ``expires_at``."""

    id = PublicIdField(prefix="whs")
    endpoint = models.ForeignKey(
        "delivery.WebhookEndpoint",
        on_delete=models.CASCADE,
        db_constraint=False,
        related_name="secrets",
    )
    sealed = models.TextField(editable=False)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Empty: never.")
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            tenant_key("delivery_webhooksecret"),
            *tenant_links("delivery_webhooksecret", [("endpoint", "delivery.WebhookEndpoint")]),
        ]

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def context(self) -> str:
        """What the encrypted secret is bound to (:mod:`common.crypto`)."""
        return f"WebhookSecret:{self.pk}:secret"

    def seal(self, secret: str) -> None:
        self.sealed = encrypt(secret, context=self.context)

    def open(self) -> str:
        """The secret, ``whsec_…``. Raises CannotDecrypt."""
        return decrypt(self.sealed, context=self.context)
