"""Production settings. Nothing has a default that could be wrong: a missing value stops the
start."""

from config import settings_checks
from config.env import comma_list, database, encryption_keys, required
from config.settings.base import *  # noqa: F403
from config.settings.base import BILLING, EGRESS, LOGGING

DEBUG = False
SECRET_KEY = settings_checks.secret_key(required("SECRET_KEY"))
SECRET_KEY_FALLBACKS = [
    settings_checks.secret_key(key) for key in comma_list("SECRET_KEY_FALLBACKS")
]
ENCRYPTION_KEYS = encryption_keys(required("ENCRYPTION_KEYS"))
DATABASES = {"default": database(required("DATABASE_URL"))}
REDIS_URL = settings_checks.redis_url(required("REDIS_URL"))
CELERY_BROKER_URL = REDIS_URL
required("ALLOWED_HOSTS")
ALLOWED_HOSTS = settings_checks.allowed_hosts(comma_list("ALLOWED_HOSTS"))
required("STRIPE_SECRET_KEY")
PUBLIC_URL = settings_checks.public_url(
    required("PUBLIC_URL").rstrip("/"), hosts=ALLOWED_HOSTS, is_test=BILLING.has_test_key
)
settings_checks.log_level(LOGGING["root"]["level"])
if BILLING.stripe_secret_key:
    required("STRIPE_WEBHOOK_SECRETS")
required("TRUSTED_PROXIES")
BILLING.check()
EGRESS.check()

SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_SSL_REDIRECT = False
SECURE_HSTS_SECONDS = 31_536_000
SILENCED_SYSTEM_CHECKS = [
    # HSTS for subdomains and preload lists are decisions of the domain's owner, made in the proxy.
    "security.W005",
    "security.W021",
    # The proxy redirects plain http. A redirect here would come after a key was sent unencrypted,
    # and would break probes without TLS.
    "security.W008",
]
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
