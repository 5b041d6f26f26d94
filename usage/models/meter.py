from django.core.validators import RegexValidator
from django.db import models

from common.ids import PublicIdField
from common.models import ProjectOwned, tenant_key


class Aggregation(models.TextChoices):
    """How records become one number.

    A record of a ``count`` meter has the number of uses as its value, so its total is a sum, too.
    """

    COUNT = "count", "How many records"
    SUM = "sum", "Their values added up"
    MAX = "max", "The largest value"
    LAST = "last", "The latest value"
    UNIQUE = "unique", "How many different values"


ADDITIVE = frozenset({Aggregation.COUNT, Aggregation.SUM})
"""Aggregations whose usage of two periods adds up; only these can be consumed."""


class Meter(ProjectOwned):
    """Something that is counted, from records of single uses to one number per customer and
    period."""

    id = PublicIdField(prefix="mtr")
    code = models.CharField(
        max_length=64, validators=[RegexValidator(r"^[a-z0-9](?:[a-z0-9_.\-]*[a-z0-9])?\Z")]
    )
    name = models.CharField(max_length=120)
    unit = models.CharField(max_length=40, blank=True)
    aggregation = models.CharField(max_length=8, choices=Aggregation.choices)
    is_forwarded = models.BooleanField(
        default=False, help_text="Whether its records are reported to Stripe, for metered prices."
    )
    is_watched = models.BooleanField(
        default=False, help_text="Whether a limit uses it, so that its movements are stored."
    )
    is_shared = models.BooleanField(default=False, help_text="Whether several limits use it.")
    created_at = models.DateTimeField(auto_now_add=True)
    archived_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            tenant_key("usage_meter"),
            models.UniqueConstraint(fields=["project", "code"], name="usage_meter_code_key"),
        ]

    def __str__(self) -> str:
        return self.code

    @property
    def is_additive(self) -> bool:
        return self.aggregation in ADDITIVE
