"""For the test suite: the plugin ``tests.services`` sets the two addresses before this loads."""

import os
from dataclasses import replace

from common.logs import logging_settings
from config.env import database, encryption_keys, required
from config.settings.base import *  # noqa: F403

DEBUG = False
ALLOWED_HOSTS = ["*"]
SECRET_KEY = "tests-only-" + "x" * 40
ENCRYPTION_KEYS = encryption_keys("t1:" + "A" * 43 + "=")
DATABASES = {"default": database(required("DATABASE_URL"))}
DATABASES["default"]["OPTIONS"].pop("pool")
# A busy machine may think for long between two statements of a migration or a test.
DATABASES["default"]["OPTIONS"]["options"] += " -c idle_in_transaction_session_timeout=120000"
if template := os.environ.get("TEST_TEMPLATE"):
    DATABASES["default"]["TEST"] = {"TEMPLATE": template, "MIGRATE": False}
REDIS_URL = required("REDIS_URL")
CELERY_BROKER_URL = REDIS_URL
# What a failing test has logged is shown with it: a line for each request would bury the failure.
# A test of what is logged asks for more with `caplog.at_level`.
LOGGING = logging_settings(level="WARNING")
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
BILLING = replace(BILLING, stripe_test_reads=100_000)  # noqa: F405
AXES_ENABLED = False
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = True
