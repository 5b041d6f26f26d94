from django.db import models

from common.ids import PublicIdField


class StripeAccount(models.Model):
    """A Stripe account in one mode: the platform's shared one, or a project's own.

    The keys of the platform's account are in the environment (``project`` and ``secret_key`` are
    empty). A project's own secret key is stored encrypted and never shown again.
    """

    id = PublicIdField(prefix="acc")
    project = models.OneToOneField(
        "projects.Project",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="own_stripe_account",
    )
    name = models.CharField(max_length=120)
    livemode = models.BooleanField()
    stripe_id = models.CharField(
        max_length=64,
        blank=True,
        help_text="acct_…, pinned when a key is used for the first time. A key of another account "
        "opens nothing.",
    )
    mismatched_stripe_id = models.CharField(
        max_length=64,
        blank=True,
        db_default="",
        help_text="The other account that the secret key opened when it was last used.",
    )
    mismatched_at = models.DateTimeField(null=True, blank=True)
    secret_key = models.TextField(blank=True, editable=False)
    key_refused_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="Since when Stripe refuses the secret key."
    )
    publishable_key = models.CharField(
        max_length=255,
        blank=True,
        db_default="",
        default="",
        editable=False,
        help_text="pk_…, for Stripe.js in front ends. It is no secret.",
    )
    secret_key_last_four = models.CharField(max_length=4, blank=True, editable=False)
    events_seen_until = models.DateTimeField(
        null=True, blank=True, help_text="How far the list of events has been read."
    )
    events_read_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When the last read of that list began."
    )
    events_page_end = models.CharField(
        max_length=255,
        blank=True,
        db_default="",
        default="",
        editable=False,
        help_text="The last event of the last stored page, while pages are left.",
    )
    events_page_newest = models.DateTimeField(
        null=True, editable=False, help_text="The newest event of the stored pages."
    )
    missing_permissions = models.JSONField(
        default=list,
        blank=True,
        editable=False,
        help_text="Permissions that a restricted key lacks, by Stripe's names.",
    )
    permissions_checked_at = models.DateTimeField(null=True, blank=True, editable=False)
    permissions_key = models.CharField(
        max_length=64,
        blank=True,
        db_default="",
        default="",
        editable=False,
        help_text="Digest of the key whose permissions were checked.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["livemode"],
                condition=models.Q(project__isnull=True),
                name="one_platform_account_per_mode",
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_shared(self) -> bool:
        """Whether it is the platform's account, through which several projects sell."""
        return self.project_id is None

    @property
    def key_context(self) -> str:
        """Encryption context that binds the secret key to this row."""
        return f"stripe_account:{self.pk}:secret_key"


class StripeEndpoint(models.Model):
    """The address to which Stripe sends an account's events: a token in the URL, and signing
    secrets.

    ``secrets`` holds one or two encrypted signing secrets, newest first; while Stripe rolls a
    secret, both verify. The endpoint of the platform's account has its secrets in the environment.
    """

    id = PublicIdField(prefix="whk")
    account = models.ForeignKey(StripeAccount, on_delete=models.PROTECT, related_name="endpoints")
    token = models.CharField(max_length=64, unique=True, editable=False)
    secrets = models.JSONField(default=list, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    disabled_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.account} {self.pk}"

    @property
    def secret_context(self) -> str:
        return f"stripe_endpoint:{self.pk}:secret"
