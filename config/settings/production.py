"""In production nothing has a default that could be wrong: what is missing stops the boot."""

from config.env import comma_list, database, encryption_keys, required
from config.settings.base import *  # noqa: F403
from config.settings.base import BILLING, EGRESS

DEBUG = False
SECRET_KEY = required("SECRET_KEY")
ENCRYPTION_KEYS = encryption_keys(required("ENCRYPTION_KEYS"))
DATABASES = {"default": database(required("DATABASE_URL"))}
REDIS_URL = required("REDIS_URL")
CELERY_BROKER_URL = REDIS_URL
PUBLIC_URL = required("PUBLIC_URL").rstrip("/")
required("ALLOWED_HOSTS")
ALLOWED_HOSTS = comma_list("ALLOWED_HOSTS")
required("STRIPE_SECRET_KEY")
required("STRIPE_WEBHOOK_SECRETS")
required("TRUSTED_PROXIES")
BILLING.check()
EGRESS.check()

SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_SSL_REDIRECT = False
SECURE_HSTS_SECONDS = 31_536_000
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
