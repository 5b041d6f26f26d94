"""The WSGI application, which `config.rsgi` serves."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")

django = get_wsgi_application()

from common import garbage  # noqa: E402
from config.fast_path import FastPath  # noqa: E402  # needs Django to be set up

application = FastPath(django)

garbage.begin_serving()
