from datetime import datetime

from django.contrib.postgres.fields import ArrayField
from django.db import models

from common.ids import PublicIdField
from common.models import ProjectOwned, tenant_key, tenant_links


class BearerKey(models.Model):
    """A bearer key. It is shown once; only the SHA-256 of its 256 random bits is stored."""

    name = models.CharField(max_length=120)
    prefix = models.CharField(max_length=20, editable=False)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    last_four = models.CharField(max_length=4, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…{self.last_four})"

    def is_live(self, at: datetime) -> bool:
        """Whether the key is valid at this time."""
        return self.revoked_at is None and (self.expires_at is None or at < self.expires_at)


class ApiKey(ProjectOwned, BearerKey):
    """A secret key of a project or of one of its apps. Two are valid during a rotation."""

    id = PublicIdField(prefix="key")
    app = models.ForeignKey(
        "projects.App", on_delete=models.PROTECT, null=True, blank=True, db_constraint=False
    )
    scopes = ArrayField(models.CharField(max_length=40))
    rotated_to = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        db_constraint=False,
        related_name="predecessors",
    )

    class Meta:
        verbose_name = "API key"
        constraints = [
            tenant_key("projects_apikey"),
            models.UniqueConstraint(
                fields=["project", "rotated_to"], name="projects_apikey_rotated_to_key"
            ),
            *tenant_links(
                "projects_apikey",
                [("app", "projects.App"), ("rotated_to", "projects.ApiKey")],
            ),
        ]


class PlatformKey(BearerKey):
    """A key of the platform's own automation: for projects, apps, keys and Stripe accounts."""

    id = PublicIdField(prefix="key")
