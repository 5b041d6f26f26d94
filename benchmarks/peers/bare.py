"""Minimal Django views without middleware: the baseline of the product's views.

``granian --interface wsgi benchmarks.peers.bare:application`` serves them, as it serves the
product.
"""

import os
from urllib.parse import urlsplit

import orjson
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import path

from benchmarks.peers.answer import ANSWER

address = urlsplit(os.environ["DATABASE_URL"])
settings.configure(
    ALLOWED_HOSTS=["*"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": address.path[1:],
            "USER": address.username,
            "PASSWORD": address.password,
            "HOST": address.hostname,
            "PORT": address.port,
            "CONN_HEALTH_CHECKS": True,
            "OPTIONS": {"pool": {"min_size": 1, "max_size": 12, "timeout": 5}},
        }
    },
    LOGGING_CONFIG=None,
    MIDDLEWARE=[],
    ROOT_URLCONF=__name__,
    SECRET_KEY="of nothing",  # nothing is signed here
    USE_TZ=True,
)

TAKE = """
UPDATE bare_counter SET used = used + %(amount)s
WHERE user_id = %(user_id)s AND used + %(amount)s <= most RETURNING used
"""


def check(request: HttpRequest) -> HttpResponse:
    """A response of the same size at the same path."""
    return HttpResponse(ANSWER, content_type="application/json")


def consume(request: HttpRequest) -> HttpResponse:
    """One committed UPDATE … RETURNING."""
    params = orjson.loads(request.body)
    with connection.cursor() as cursor:
        cursor.execute(TAKE, params)
        row = cursor.fetchone()
    body = {"allowed": row is not None, "used": row and int(row[0])}
    return HttpResponse(orjson.dumps(body), content_type="application/json")


urlpatterns = [
    path("api/v1/entitlements/check", check),
    path("api/v1/entitlements/consume", consume),
]
application = get_wsgi_application()
