"""The WSGI application, which `config.rsgi` serves."""

import gc
import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")

django = get_wsgi_application()

from config.fast_path import FastPath  # noqa: E402  # needs Django to be set up

application = FastPath(django)

gc.freeze()  # loaded modules stay for ever: no collection needs to scan them
