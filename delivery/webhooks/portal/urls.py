"""Addresses below ``/webhooks-portal/``, for people."""

from django.http import HttpRequest, HttpResponse
from django.urls import path, re_path

from delivery.webhooks.portal.views import pages, visits

ENDPOINT = "endpoints/<str:endpoint_id>"
DELIVERY = f"{ENDPOINT}/deliveries/<str:delivery_id>"


def nothing(request: HttpRequest, **kwargs: str) -> HttpResponse:
    """An address that does not exist."""
    return visits.closed(request)


urlpatterns = [
    path("", pages.endpoint_list, name="webhooks-portal"),
    path("open", pages.open_link, name="webhooks-portal-open"),
    path(ENDPOINT, pages.endpoint_page, name="webhooks-portal-endpoint"),
    path(f"{ENDPOINT}/test", pages.send_test, name="webhooks-portal-test"),
    path(f"{ENDPOINT}/check", pages.check, name="webhooks-portal-check"),
    path(f"{ENDPOINT}/replay", pages.replay_failed, name="webhooks-portal-replay"),
    path(f"{ENDPOINT}/enable", pages.enable, name="webhooks-portal-enable"),
    path(DELIVERY, pages.delivery_page, name="webhooks-portal-delivery"),
    path(f"{DELIVERY}/send-again", pages.send_again, name="webhooks-portal-send-again"),
    re_path("^.+$", nothing),
]
