"""The operators' console: our subclass of Unfold's admin site."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils import timezone
from unfold.sites import UnfoldAdminSite

from console import home


class OperatorSite(UnfoldAdminSite):  # type: ignore[misc]  # unfold carries no types
    site_title = "Tollgate"
    site_header = "Tollgate"
    index_title = "Overview"
    index_template = "console/overview.html"
    enable_nav_sidebar = True

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        context = {**home.gather(timezone.now()), **(extra_context or {})}
        response: TemplateResponse = super().index(request, context)
        return response


def stripe_mode(request: HttpRequest) -> list[str]:
    """The mode of the platform's Stripe key, as a label beside the operator's name."""
    key = settings.BILLING.stripe_secret_key
    if "_live_" in key:
        return ["Live money", "danger"]
    return ["Test money", "info"] if "_test_" in key else ["No Stripe key", "warning"]
