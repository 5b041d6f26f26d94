from django.db import models

from common.ids import PublicIdField
from common.locales import MAX_LENGTH
from common.models import ProjectOwned, tenant_key


class Customer(ProjectOwned):
    """A user of the tenant, with the tenant's own ``user_id``; created on first use.

    ``version`` increases with every change of what the customer has or may do. Code that makes such
    a change locks this row first (``projects.customers.selectors.lock``).
    """

    id = PublicIdField(prefix="cus")
    user_id = models.CharField(max_length=255)
    email = models.EmailField(max_length=254, blank=True)
    name = models.CharField(max_length=255, blank=True)
    locale = models.CharField(
        max_length=MAX_LENGTH,
        blank=True,
        db_default="",
        default="",
        help_text="The language of mails, as a BCP 47 tag.",
    )
    metadata = models.JSONField(default=dict, blank=True)
    version = models.BigIntegerField(default=0, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    details_changed_at = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="When name or address changed; empty once all copies are updated.",
    )
    deleted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            tenant_key("projects_customer"),
            models.UniqueConstraint(
                fields=["project", "user_id"], name="projects_customer_user_id_key"
            ),
        ]
        indexes = [
            models.Index(fields=["project", "email"], name="customer_by_email"),
            models.Index(
                fields=["details_changed_at"],
                condition=models.Q(details_changed_at__isnull=False),
                name="customer_to_be_told",
            ),
        ]

    def __str__(self) -> str:
        return self.user_id
