from django.contrib.postgres.fields import ArrayField
from django.db import models

from common.ids import PublicIdField
from common.models import ProjectOwned, tenant_key


class JwtSettings(ProjectOwned):
    """How a project's front end proves who its signed-in user is: ``sub`` of a JWT that it signs.

    Either ``jwks_url`` (public keys, fetched and cached) or ``shared_secret`` (encrypted at rest,
    never shown again). ``algorithms`` is the closed list that is accepted.
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
        """What the encrypted secret is bound to."""
        return f"jwt_settings:{self.pk}:shared_secret"
