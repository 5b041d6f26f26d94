from django.db import models

from common.models import ProjectOwned


class Mirror(ProjectOwned):
    """A row whose truth is at Stripe. Only ``billing.sync.apply`` writes what Stripe owns.

    ``stripe_id`` is empty until Stripe has created the object that our row requested.
    """

    account = models.ForeignKey("billing.StripeAccount", on_delete=models.PROTECT, related_name="+")
    stripe_id = models.CharField(max_length=255, null=True, blank=True)  # unique
    synced_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        abstract = True

    @property
    def id_at_stripe(self) -> str:
        """``stripe_id`` of a row that Stripe has confirmed; never empty."""
        assert self.stripe_id is not None
        return self.stripe_id


def mirror_key(table: str) -> models.UniqueConstraint:
    """One row per Stripe object and project."""
    return models.UniqueConstraint(
        fields=["project", "account", "stripe_id"], name=f"{table}_stripe_id_key"
    )
