from django.db import models

from common.ids import PublicIdField


class SigningKey(models.Model):
    """An Ed25519 key of the platform; the current one signs snapshots of all projects.

    The private key is stored encrypted and never shown. A replaced key stays published until
    ``published_until``, when everything that it signed has expired.
    """

    id = PublicIdField(prefix="sig")
    algorithm = models.CharField(max_length=10, default="EdDSA", editable=False)
    public = models.CharField(max_length=43, editable=False, help_text="Ed25519, base64url.")
    private = models.TextField(editable=False)
    created_at = models.DateTimeField()
    retired_at = models.DateTimeField(null=True, blank=True)
    published_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["algorithm"],
                condition=models.Q(retired_at__isnull=True),
                name="entitlements_signingkey_current",
            ),
            models.CheckConstraint(
                condition=models.Q(retired_at__isnull=True, published_until__isnull=True)
                | models.Q(retired_at__isnull=False, published_until__isnull=False),
                name="entitlements_signingkey_retired",
            ),
        ]

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def private_context(self) -> str:
        """Encryption context that binds the private key to this row."""
        return f"signing_key:{self.pk}:private"
