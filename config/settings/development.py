"""Settings of a developer's machine: embedded servers by default, generated secrets."""

from common.conf import EgressSettings
from config.env import database, encryption_keys, env
from config.settings.base import *  # noqa: F403
from config.settings.base import BASE_DIR
from delivery.conf import BusSettings, InboundSources, MailServerSettings
from devtools import embedded

DEBUG = env.bool("DEBUG", default=False)
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]"]

_secrets = embedded.development_secrets(BASE_DIR / "var")
SECRET_KEY = env.str("SECRET_KEY", default=_secrets["SECRET_KEY"])
ENCRYPTION_KEYS = encryption_keys(env.str("ENCRYPTION_KEYS", default=_secrets["ENCRYPTION_KEYS"]))

_database_url, _redis_url = embedded.urls(
    database_url=env.str("DATABASE_URL", default=""), redis_url=env.str("REDIS_URL", default="")
)
DATABASES = {"default": database(_database_url)}
REDIS_URL = _redis_url
CELERY_BROKER_URL = REDIS_URL
BUS = BusSettings.from_env(env, url=REDIS_URL)
INBOUND = InboundSources.from_env(env, bus=BUS)
GRAPHIQL = True
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = True
EGRESS = EgressSettings.from_env(env, default=True)
MAIL = MailServerSettings.from_env(
    env, email_url=f"file://{BASE_DIR / 'var' / 'mail'}", mail_from="tollgate@localhost.localdomain"
)
"""Mail is written to files in ``var/mail``."""
globals().update(MAIL.email)
