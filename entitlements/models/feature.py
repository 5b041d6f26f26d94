from django.core.validators import RegexValidator
from django.db import models

from common.ids import PublicIdField
from common.models import ProjectOwned, tenant_key


class FeatureKind(models.TextChoices):
    """How a feature's values read and combine; more kinds come without a schema change."""

    BOOLEAN = "boolean", "On or off"
    LIMIT = "limit", "A number, or no limit"


class Feature(ProjectOwned):
    """Something a user may or may not do, under a code that the tenant's software asks for."""

    id = PublicIdField(prefix="feat")
    code = models.CharField(
        max_length=64, validators=[RegexValidator(r"^[a-z0-9](?:[a-z0-9_.\-]*[a-z0-9])?\Z")]
    )
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=16, choices=FeatureKind.choices)
    unit = models.CharField(max_length=40, blank=True, help_text="What a limit counts.")
    created_at = models.DateTimeField(auto_now_add=True)
    archived_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            tenant_key("entitlements_feature"),
            models.UniqueConstraint(
                fields=["project", "code"], name="entitlements_feature_code_key"
            ),
        ]

    def __str__(self) -> str:
        return self.code
