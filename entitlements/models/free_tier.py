import pgtrigger
from django.db import models

from common.ids import PublicIdField
from common.models import ProjectOwned, tenant_key, tenant_links


class FreeTierEntry(ProjectOwned):
    """One feature that every user of the project has, over ``[starts_at, ends_at)``.

    The table is a history: a change ends one row and adds another. Only ``ends_at`` is ever
    updated, once.
    """

    id = PublicIdField(prefix="free")
    feature = models.ForeignKey(
        "entitlements.Feature", on_delete=models.PROTECT, related_name="+", db_constraint=False
    )
    value = models.JSONField(null=True)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "free tier entries"
        constraints = [
            tenant_key("entitlements_freetierentry"),
            models.UniqueConstraint(
                fields=["project", "feature"],
                condition=models.Q(ends_at__isnull=True),
                name="entitlements_freetierentry_key",
            ),
            *tenant_links("entitlements_freetierentry", [("feature", "entitlements.Feature")]),
        ]
        triggers = [
            pgtrigger.Protect(name="keep", operation=pgtrigger.Delete),
            pgtrigger.Protect(
                name="only_end",
                operation=pgtrigger.Update,
                condition=pgtrigger.AnyChange("feature", "value", "starts_at"),
            ),
            pgtrigger.Protect(
                name="end_once",
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__ends_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return str(self.pk)
