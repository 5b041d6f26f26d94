"""Who visits the page: the cookie that stands for a link, and what every view does with it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from common.errors import NotFound
from delivery.webhooks.portal import links
from delivery.webhooks.portal.links import PATH, PortalLink

COOKIE = "tollgate_webhooks"
HEADERS = {"Referrer-Policy": "same-origin", "X-Robots-Tag": "noindex, nofollow"}
"""Not ``no-referrer``: Django's CSRF check needs the origin. No address here is secret."""
View = Callable[..., HttpResponse]


@dataclass(frozen=True, slots=True)
class Visit:
    link: PortalLink
    at: datetime

    @property
    def project_id(self) -> str:
        return self.link.project_id


def begin(response: HttpResponse, link: PortalLink) -> HttpResponse:
    """Give the browser the cookie that stands for the link, for as long as the link works."""
    response.set_cookie(
        COOKIE,
        link.token,
        expires=link.expires_at,
        path=PATH,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
    return response


def closed(request: HttpRequest) -> HttpResponse:
    """The one answer to a link that does not work, whatever the reason is, and to anything that
    the link's project does not have."""
    return page(request, "closed.html", status=404)


def page(
    request: HttpRequest, template: str, context: dict[str, Any] | None = None, *, status: int = 200
) -> HttpResponse:
    response = render(request, f"webhooks_portal/{template}", context or {}, status=status)
    for name, value in HEADERS.items():
        response[name] = value
    return response


def seen(view: View) -> View:
    """A page to look at; the view gets a :class:`Visit`."""
    return never_cache(require_http_methods(["GET", "HEAD"])(_visited(view)))


def acted(view: View) -> View:
    """A form that a link with actions may send."""

    def checked(request: HttpRequest, visit: Visit, **kwargs: Any) -> HttpResponse:
        return view(request, visit, **kwargs) if visit.link.can_act else closed(request)

    return never_cache(require_http_methods(["POST"])(_visited(checked)))


def _visited(view: View) -> View:
    @wraps(view)
    def visited(request: HttpRequest, **kwargs: Any) -> HttpResponse:
        at = timezone.now()
        link = links.parse(request.COOKIES.get(COOKIE, ""), at=at)
        if link is None:
            return closed(request)
        try:
            return view(request, Visit(link, at), **kwargs)
        except NotFound:
            return closed(request)

    return visited
