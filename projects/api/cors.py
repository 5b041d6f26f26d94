"""Which pages of other origins may call: the project's own, and only ``/billing/*``.

A browser asks beforehand (a preflight) without saying for which project it will call. It is told
yes when any project sends its buyers back to that origin; the call itself then names the project,
and its answer may be read by that project's own origins only. No cookie is ever asked for or read.
"""

from urllib.parse import SplitResult

from corsheaders.middleware import CorsMiddleware
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from projects.api.user_authentication import PREFIX, PROJECT
from projects.selectors import projects


class BillingCorsMiddleware(CorsMiddleware):
    """django-cors-headers, with the origins of projects in place of a list or a signal."""

    def is_enabled(self, request: HttpRequest) -> bool:
        return request.path_info.startswith(PREFIX)

    def check_signal(self, request: HttpRequest) -> bool:
        """Whether this request's origin may read the answer."""
        origin = request.headers.get("Origin", "")
        if request.method == "OPTIONS":
            return projects.is_origin_of_any(origin)
        return projects.is_origin_of(origin, project_id=request.headers.get(PROJECT, ""))

    def origin_found_in_white_lists(self, origin: str, url: SplitResult) -> bool:
        """There is no list for everybody."""
        return False

    def check_preflight(self, request: HttpRequest) -> HttpResponseBase | None:
        answer = super().check_preflight(request)
        return None if answer is None else HttpResponse(status=204)
