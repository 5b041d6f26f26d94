from django.contrib.postgres.fields import ArrayField
from django.db import models

from common.ids import PublicIdField
from common.models import ProjectOwned, tenant_key


class JwtSettings(ProjectOwned):
    """How a project's JWTs prove who a signed-in user is; ``sub`` is the user's id.

    Either ``jwks_url`` (public keys, fetched and cached) or ``shared_secret`` (stored encrypted,
    never shown again) is set. Only tokens with one of the ``algorithms`` are accepted.
    """

    id = PublicIdField(prefix="jwt")
    jwks_url = models.CharField(max_length=2000, blank=True)
    shared_secret = models.TextField(blank=True, editable=False)
    issuer = models.CharField(max_length=255)
    audience = models.CharField(max_length=255)
    algorithms = ArrayField(models.CharField(max_length=10), default=list)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            tenant_key("projects_jwtsettings"),
            models.UniqueConstraint(fields=["project"], name="projects_jwtsettings_key"),
            models.CheckConstraint(
                condition=models.Q(jwks_url="") ^ models.Q(shared_secret=""),
                name="keys_or_secret",
            ),
        ]

    def __str__(self) -> str:
        return self.issuer

    @property
    def secret_context(self) -> str:
        """Encryption context that binds the secret to this row."""
        return f"jwt_settings:{self.pk}:shared_secret"
