"""dj-stripe, set up by its documentation: a customer check, and Stripe's events.

Events are stored for later, or, with STRIPE_API_HOST, processed by its own handlers, which ask that
Stripe. Runs in its own environment (requirements-djstripe.txt). ``python benchmarks/peers/dj.py``
creates its tables and 1,000 subscribed customers; ``granian --interface wsgi
benchmarks.peers.dj:application`` serves it.
"""

import os
import sys
import time
from urllib.parse import urlsplit

import stripe
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import include, path

ENDPOINT = "6a6f7a2e-5f0c-4f6e-9d43-0d1c5b7a9e11"
PRODUCT = "prod_bench"
CUSTOMERS = 1000
API_HOST = os.environ.get("STRIPE_API_HOST", "")
EVENTS = (
    {"STRIPE_API_HOST": API_HOST}
    if API_HOST
    else {"DJSTRIPE_WEBHOOK_EVENT_CALLBACK": "benchmarks.peers.dj.ignore_event"}
)

if API_HOST:
    stripe.api_version = "2026-10-28.endive"  # the only one that the sandbox speaks
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
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    DJSTRIPE_FOREIGN_KEY_TO_FIELD="id",
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "djstripe"],
    LOGGING_CONFIG=None,
    MIDDLEWARE=[],
    ROOT_URLCONF="benchmarks.peers.dj",
    SECRET_KEY="of nothing",
    STRIPE_LIVE_MODE=False,
    STRIPE_TEST_SECRET_KEY=os.environ.get("STRIPE_TEST_SECRET_KEY", "sk_test_bench"),
    USE_TZ=True,
    **EVENTS,
)
application = get_wsgi_application()

from django.core.management import call_command
from djstripe import models


def ignore_event(event, api_key=None) -> None:
    """Do nothing: only storing the event is measured."""


def check(request: HttpRequest) -> JsonResponse:
    customer = models.Customer.objects.get(id=f"cus_{request.GET['user_id']}")
    return JsonResponse({"allowed": customer.is_subscribed_to(PRODUCT)})


urlpatterns = [
    path("api/v1/entitlements/check", check),
    path("stripe/", include("djstripe.urls", namespace="djstripe")),
]


def seed(secret: str) -> None:
    call_command("migrate", verbosity=0)
    product = models.Product.objects.create(
        id=PRODUCT, name="Bench", livemode=False, stripe_data={"id": PRODUCT, "type": "service"}
    )
    price = models.Price.objects.create(
        id="price_bench",
        product=product,
        currency="usd",
        active=True,
        livemode=False,
        stripe_data={"id": "price_bench", "type": "recurring", "unit_amount": 4900},
    )
    now = int(time.time())
    for number in range(CUSTOMERS):
        customer = models.Customer.objects.create(
            id=f"cus_u{number}", livemode=False, stripe_data={"id": f"cus_u{number}"}
        )
        subscription = models.Subscription.objects.create(
            id=f"sub_u{number}",
            customer=customer,
            livemode=False,
            stripe_data={
                "id": f"sub_u{number}",
                "status": "active",
                "current_period_start": now,
                "current_period_end": now + 30 * 86_400,
            },
        )
        models.SubscriptionItem.objects.create(
            id=f"si_u{number}",
            subscription=subscription,
            price=price,
            livemode=False,
            stripe_data={
                "id": f"si_u{number}",
                "current_period_start": now,
                "current_period_end": now + 30 * 86_400,
            },
        )
    models.WebhookEndpoint.objects.create(
        id="we_bench",
        djstripe_uuid=ENDPOINT,
        secret=secret,
        url="https://example.com",
        status="enabled",
        enabled_events=["*"],
        livemode=False,
    )


if __name__ == "__main__":
    sys.modules["benchmarks.peers.dj"] = sys.modules["__main__"]
    seed(os.environ["STRIPE_WEBHOOK_SECRETS"])
