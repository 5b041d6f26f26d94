from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.core.validators import RegexValidator
from django.db import models

from common.ids import PublicIdField

MOST_PER_SECOND = 100_000
"""Highest limit of a project, in requests per second."""


class Sells(models.TextChoices):
    """What a project sells."""

    SUBSCRIPTION = "subscription", "Subscriptions"
    ITEM = "item", "One-time items"
    CART = "cart", "Carts"


class Project(models.Model):
    """A tenant. It is test or live for ever: staging and production are two projects.

    So a test key, a test price or a test event can never meet live money: they belong to different
    tenants (``docs/decisions/0003-test-and-live-are-two-projects.md``).
    """

    id = PublicIdField(prefix="prj")
    name = models.CharField(max_length=120)
    slug = models.CharField(
        max_length=50,
        unique=True,
        validators=[RegexValidator(r"^[a-z0-9](?:[a-z0-9\-]*[a-z0-9])?\Z")],
    )
    livemode = models.BooleanField(default=False)
    sells = ArrayField(models.CharField(max_length=20, choices=Sells.choices), default=list)
    default_currency = models.CharField(max_length=3, blank=True)
    return_origins = ArrayField(
        models.CharField(max_length=255),
        default=list,
        blank=True,
        help_text="Origins that a buyer may be sent back to, such as https://app.example.com.",
    )
    grace_days = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        help_text="Days of access after a failed renewal; empty: the platform's default.",
    )
    automatic_tax = models.BooleanField(
        default=False, help_text="Whether checkouts collect tax unless they say otherwise."
    )
    contact_email = models.EmailField(
        max_length=254,
        blank=True,
        db_default="",
        default="",
        help_text="Where we tell the project's people about expiring keys and failing endpoints.",
    )
    public_plans = models.BooleanField(
        default=True,
        db_default=True,
        help_text="Whether GET /billing/plans answers without a user's token.",
    )
    workflow_namespace = models.CharField(
        max_length=128,
        blank=True,
        db_default="",
        default="",
        help_text="The Temporal namespace whose workflows the project's payments signal. No other "
        "project can have it. Empty: none.",
    )
    requests_per_second = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="Limit of requests per second; empty: the platform's default.",
    )
    checks_per_second = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="Limit of checks, consumption and usage per second; empty: the platform's "
        "default.",
    )
    suspended_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["workflow_namespace"],
                condition=~models.Q(workflow_namespace=""),
                name="projects_project_workflow_namespace_key",
            )
        ]
        indexes = [GinIndex(fields=["return_origins"], name="project_by_return_origin")]

    def __str__(self) -> str:
        return self.name

    @property
    def mode(self) -> str:
        return "live" if self.livemode else "test"
