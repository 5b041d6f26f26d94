from django.db import models

from common.ids import PublicIdField


class SigningKey(models.Model):
    """An Ed25519 key of the platform; snapshots of every project are signed with the current one.

    The private part is encrypted at rest and never shown. A key that was replaced stays published
    until ``published_until``, when everything that it signed has expired.
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
        """What the encrypted private part is bound to."""
        return f"signing_key:{self.pk}:private"
