from django.core.validators import RegexValidator
from django.db import models

from common.ids import PublicIdField
from common.models import ProjectOwned, tenant_key, tenant_links
from usage.periods import Unit

PERIODS = [(unit.value, unit.value.capitalize()) for unit in Unit]


class FeatureKind(models.TextChoices):
    """The kind of value that a feature has."""

    BOOLEAN = "boolean", "On or off"
    LIMIT = "limit", "A number, or no limit"
    METERED = "metered", "So much per period, or no limit"
    CONFIG = "config", "A value that the software reads"
    CREDITS = "credits", "Each use costs credits"


class Merge(models.TextChoices):
    """How the values of several sources become one."""

    MOST_GENEROUS = "most_generous", "The most generous value"
    SUM = "sum", "The values added up"
    PRIORITY = "priority", "That of the first: grant, subscription, purchase, free tier"


class Feature(ProjectOwned):
    """Something that a user may or may not do, with a code that the tenant's software checks.

    A metered feature names its meter and the ``period`` after which the limit starts again: by the
    calendar (UTC), or, if ``is_anchored``, from the day on which the deciding source began.
    """

    id = PublicIdField(prefix="feat")
    code = models.CharField(
        max_length=64, validators=[RegexValidator(r"^[a-z0-9](?:[a-z0-9_.\-]*[a-z0-9])?\Z")]
    )
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=16, choices=FeatureKind.choices)
    unit = models.CharField(max_length=40, blank=True, help_text="What a limit counts.")
    merge = models.CharField(
        max_length=16, choices=Merge.choices, default=Merge.MOST_GENEROUS.value
    )
    meter = models.ForeignKey(
        "usage.Meter",
        on_delete=models.PROTECT,
        related_name="+",
        null=True,
        blank=True,
        db_constraint=False,
    )
    period = models.CharField(max_length=8, choices=PERIODS, blank=True)
    is_anchored = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    archived_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            tenant_key("entitlements_feature"),
            models.UniqueConstraint(
                fields=["project", "code"], name="entitlements_feature_code_key"
            ),
            models.CheckConstraint(
                condition=models.Q(kind="metered", meter__isnull=False) & ~models.Q(period="")
                | ~models.Q(kind="metered") & models.Q(meter__isnull=True, period=""),
                name="entitlements_feature_metered",
            ),
            *tenant_links("entitlements_feature", [("meter", "usage.Meter")]),
        ]

    def __str__(self) -> str:
        return self.code
