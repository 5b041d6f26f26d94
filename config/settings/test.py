"""Settings of the test suite: the plugin ``tests.services`` sets both URLs before this is
imported."""

import os
from dataclasses import replace

from common.logs import logging_settings
from config.env import database, encryption_keys, required
from config.settings.base import *  # noqa: F403
from delivery.conf import BusSettings, InboundSources, MailServerSettings, TemporalSettings

DEBUG = False
INSTALLED_APPS += ["tests.flush"]  # noqa: F405
ALLOWED_HOSTS = ["*"]
SECRET_KEY = "tests-only-" + "x" * 40
ENCRYPTION_KEYS = encryption_keys("t1:" + "A" * 43 + "=")
DATABASES = {"default": database(required("DATABASE_URL"))}
DATABASES["default"]["OPTIONS"].pop("pool")
# On a busy machine, long pauses between two statements of a migration or a test are normal.
if "options" in DATABASES["default"]["OPTIONS"]:
    DATABASES["default"]["OPTIONS"]["options"] += " -c idle_in_transaction_session_timeout=120000"
if template := os.environ.get("TEST_TEMPLATE"):
    DATABASES["default"]["TEST"] = {"TEMPLATE": template, "MIGRATE": False}
REDIS_URL = required("REDIS_URL")
CELERY_BROKER_URL = REDIS_URL
BUS = BusSettings()
INBOUND = InboundSources()
# pytest shows the log of a failing test: a line per request would bury the failure.
# A test about logging lowers the level with `caplog.at_level`, and of a process with `LOG_LEVEL`.
LOGGING = logging_settings(level=os.environ.get("LOG_LEVEL", "WARNING"))
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
BILLING = replace(
    BILLING,  # noqa: F405
    stripe_test_reads=100_000,
    stripe_endpoint_reads=100_000,
    sync_readers=1,
    bulk_read_threshold=200,
)
MAIL = MailServerSettings(mail_from="billing@tollgate.example")
TEMPORAL = TemporalSettings()
AXES_ENABLED = False
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = True
