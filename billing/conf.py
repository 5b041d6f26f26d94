import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.core.exceptions import ImproperlyConfigured

STRIPE_API = "https://api.stripe.com"
NO_ACCOUNT = "none"
"""Value of STRIPE_SECRET_KEY that says: the platform has no Stripe account."""
PUBLISHABLE_KEY = re.compile(r"pk_(test|live)_[A-Za-z0-9_]{4,247}")


@dataclass(frozen=True, slots=True)
class BillingSettings:
    """Settings of the connection to Stripe and of billing. Durations are timedeltas.

    ``stripe_secret_key`` is empty if the platform has no account of its own: projects that have not
    connected one then cannot sell. ``stripe_publishable_key`` belongs to the same account.
    ``stripe_timeout`` is in seconds. ``stripe_concurrency`` is the number of threads of one process
    that may wait for Stripe at once; a web process needs more threads than that, to answer other
    requests while Stripe hangs. ``stripe_reads`` and ``stripe_test_reads`` limit the reads per
    second of a live or a test account, ``stripe_endpoint_reads`` those of one kind of object in it,
    over all processes: 80 % of Stripe's own limits. If more than ``bulk_read_threshold`` due
    objects are of one kind, pages of their list are read as long as that takes fewer requests.
    ``sync_readers`` threads of a worker wait for Stripe's answers; they are some of
    ``stripe_concurrency``.
    """

    stripe_secret_key: str = field(default="", repr=False)
    stripe_publishable_key: str = ""
    stripe_webhook_secrets: tuple[str, ...] = field(default=(), repr=False)
    stripe_api_base: str = STRIPE_API
    stripe_timeout: float = 10.0
    stripe_concurrency: int = 6
    stripe_reads: int = 80
    stripe_test_reads: int = 20
    stripe_endpoint_reads: int = 20
    bulk_read_threshold: int = 10
    grace_period: timedelta = timedelta(days=3)
    cart_life: timedelta = timedelta(days=30)
    sync_lease: timedelta = timedelta(seconds=15)
    sync_attempts: int = 5
    sync_batch: int = 20
    sync_readers: int = 4

    @classmethod
    def from_env(cls, env: Any) -> "BillingSettings":
        secrets = (
            part.strip() for part in env.str("STRIPE_WEBHOOK_SECRETS", default="").split(",")
        )
        secret_key = env.str("STRIPE_SECRET_KEY", default="").strip()
        concurrency = env.int("STRIPE_CONCURRENCY", default=6)
        return cls(
            stripe_secret_key="" if secret_key == NO_ACCOUNT else secret_key,
            stripe_publishable_key=env.str("STRIPE_PUBLISHABLE_KEY", default="").strip(),
            stripe_webhook_secrets=tuple(secret for secret in secrets if secret),
            stripe_api_base=env.str("STRIPE_API_BASE", default=STRIPE_API).rstrip("/"),
            stripe_concurrency=concurrency,
            stripe_reads=env.int("STRIPE_READS", default=80),
            stripe_test_reads=env.int("STRIPE_TEST_READS", default=20),
            stripe_endpoint_reads=env.int("STRIPE_ENDPOINT_READS", default=20),
            sync_readers=env.int("SYNC_READERS", default=min(4, max(concurrency, 1))),
        )

    @property
    def has_test_key(self) -> bool:
        """Whether the platform's own account is in test mode."""
        return self.stripe_secret_key.startswith(("sk_test_", "rk_test_"))

    def check(self) -> None:
        """Raise ImproperlyConfigured for settings that could charge wrongly or accept forged
        events."""
        if self.stripe_secret_key and not self.stripe_secret_key.startswith(("sk_", "rk_")):
            raise ImproperlyConfigured("STRIPE_SECRET_KEY must be a secret or restricted key.")
        self._check_publishable_key()
        if not all(secret.startswith("whsec_") for secret in self.stripe_webhook_secrets):
            raise ImproperlyConfigured("Every entry of STRIPE_WEBHOOK_SECRETS starts with whsec_.")
        if self.stripe_concurrency < 1:
            raise ImproperlyConfigured("STRIPE_CONCURRENCY must be at least 1.")
        if min(self.stripe_reads, self.stripe_test_reads, self.stripe_endpoint_reads) < 1:
            raise ImproperlyConfigured(
                "STRIPE_READS, STRIPE_TEST_READS and STRIPE_ENDPOINT_READS must be at least 1."
            )
        if not 1 <= self.sync_readers <= self.stripe_concurrency:
            raise ImproperlyConfigured("SYNC_READERS must be from 1 to STRIPE_CONCURRENCY.")
        if not self.has_test_key and not self.stripe_api_base.startswith("https://"):
            raise ImproperlyConfigured("STRIPE_API_BASE must use https except with a test key.")

    def _check_publishable_key(self) -> None:
        """Check form and mode; an account without a publishable key is possible."""
        if not self.stripe_publishable_key:
            return
        match = PUBLISHABLE_KEY.fullmatch(self.stripe_publishable_key)
        if match is None:
            raise ImproperlyConfigured("STRIPE_PUBLISHABLE_KEY starts with pk_test_ or pk_live_.")
        is_test = match[1] == "test"
        if not self.stripe_secret_key or is_test != self.has_test_key:
            raise ImproperlyConfigured(
                "STRIPE_PUBLISHABLE_KEY must be of the account and mode of STRIPE_SECRET_KEY."
            )
