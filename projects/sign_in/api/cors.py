"""CORS for ``/billing/*``: pages of a project's own origins may read the responses.

A browser's preflight request does not name the project. So every origin is allowed there: an
answer that depended on the origin would reveal who our tenants are. The request itself names the
project, and only that project's origins may read its response. The user's token decides what the
request may do; cookies are never read.
"""

from urllib.parse import SplitResult

from corsheaders.middleware import CorsMiddleware
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from projects.keys import origins
from projects.keys.origins import OriginRefused
from projects.keys.selectors import projects
from projects.sign_in.api.user_authentication import PREFIX, PROJECT


class BillingCorsMiddleware(CorsMiddleware):
    """The middleware of django-cors-headers, with the origins from the projects' settings."""

    def is_enabled(self, request: HttpRequest) -> bool:
        return request.path_info.startswith(PREFIX)

    def check_signal(self, request: HttpRequest) -> bool:
        """Whether this request's origin may read the response."""
        origin = request.headers.get("Origin", "")
        if request.method == "OPTIONS":
            return _is_origin(origin)
        return projects.is_origin_of(origin, project_id=_named_project(request))

    def origin_found_in_white_lists(self, origin: str, url: SplitResult) -> bool:
        """Always False: no origin is allowed for all projects."""
        return False

    def check_preflight(self, request: HttpRequest) -> HttpResponseBase | None:
        answer = super().check_preflight(request)
        return None if answer is None else HttpResponse(status=204)


def _named_project(request: HttpRequest) -> str:
    """The project in the path, else in the header."""
    in_path = request.resolver_match.kwargs.get("project_id") if request.resolver_match else None
    return str(in_path or request.headers.get(PROJECT, ""))


def _is_origin(text: str) -> bool:
    """Whether this has the form of an origin that a project could configure."""
    try:
        return origins.normalise(text, livemode=False) == text
    except OriginRefused:
        return False
