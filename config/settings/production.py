"""In production nothing has a default that could be wrong: what is missing stops the boot."""

from config import settings_checks
from config.env import comma_list, database, encryption_keys, required
from config.settings.base import *  # noqa: F403
from config.settings.base import BILLING, EGRESS, LOGGING

DEBUG = False
SECRET_KEY = settings_checks.secret_key(required("SECRET_KEY"))
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
required("STRIPE_WEBHOOK_SECRETS")
required("TRUSTED_PROXIES")
BILLING.check()
EGRESS.check()

SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_SSL_REDIRECT = False
SECURE_HSTS_SECONDS = 31_536_000
SILENCED_SYSTEM_CHECKS = [
    # Other hosts below this one, and the lists that browsers ship, are the domain's owner's to
    # decide: the proxy may say more. We speak for this host alone.
    "security.W005",
    "security.W021",
    # Plain http is answered by the proxy, which is all that reaches us: a redirect of ours would
    # come after a key had been sent in the clear, and a probe without TLS would follow it.
    "security.W008",
]
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
