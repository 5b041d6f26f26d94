"""Reports of the mail provider: ``POST /mail/tracking/<provider>``.

django-anymail verifies and reads them; its view hands them to us instead of sending a signal.
"""

from functools import cache
from typing import Any

from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import Resolver404, resolve
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from delivery.mail import tracking
from delivery.mail.tracking import MailReport


class _Reports:
    """Stands where django-anymail's view has its signal."""

    @staticmethod
    def send(*, sender: object, event: Any, esp_name: str) -> None:
        metadata = event.metadata if isinstance(event.metadata, dict) else {}
        report = MailReport(
            notification_id=str(metadata.get("notification") or ""),
            event_type=str(event.event_type),
            reject_reason=str(event.reject_reason or ""),
            address=str(event.recipient or ""),
        )
        tracking.receive(report, at=timezone.now())


@csrf_exempt
def receive(request: HttpRequest, provider: str) -> HttpResponse:
    """404 for any provider but the configured one, and without a secret that proves who calls."""
    secret = getattr(settings, "ANYMAIL", {}).get("WEBHOOK_SECRET")
    if provider != settings.MAIL.mail_provider or not secret:
        raise Http404
    response: HttpResponse = _view(provider)(request)
    return response


@cache
def _view(provider: str) -> Any:
    """django-anymail's view of this provider's reports, with us as its receiver."""
    try:
        match = resolve(f"/{provider}/tracking/", urlconf="anymail.urls")
    except Resolver404:
        raise Http404 from None
    base = match.func.view_class  # type: ignore[attr-defined]  # as View.as_view leaves it

    class Reported(base):  # type: ignore[misc,valid-type]  # chosen by the provider
        signal = _Reports

        def parse_events(self, request: HttpRequest) -> list[Any]:
            """Raises SuspiciousOperation (400) for what is no report: django-anymail takes for
            granted that the provider has written it."""
            try:
                events: list[Any] = super().parse_events(request)
            except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
                raise SuspiciousOperation("This is no report of the mail provider.") from error
            return events

    return Reported.as_view()
