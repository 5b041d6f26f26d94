"""Which pages of other origins may call: the project's own, and only ``/billing/*``.

A browser asks beforehand (a preflight) without saying for which project it will call. Every origin
is told yes: an answer that depended on the origin would tell who our tenants are. The call itself
names the project, and its answer may be read by that project's own origins only. What the call may
do hangs on the user's token; no cookie is ever asked for or read.
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
    """django-cors-headers, with the origins of projects in place of a list or a signal."""

    def is_enabled(self, request: HttpRequest) -> bool:
        return request.path_info.startswith(PREFIX)

    def check_signal(self, request: HttpRequest) -> bool:
        """Whether this request's origin may read the answer."""
        origin = request.headers.get("Origin", "")
        if request.method == "OPTIONS":
            return _is_origin(origin)
        return projects.is_origin_of(origin, project_id=request.headers.get(PROJECT, ""))

    def origin_found_in_white_lists(self, origin: str, url: SplitResult) -> bool:
        """There is no list for everybody."""
        return False

    def check_preflight(self, request: HttpRequest) -> HttpResponseBase | None:
        answer = super().check_preflight(request)
        return None if answer is None else HttpResponse(status=204)


def _is_origin(text: str) -> bool:
    """Whether a project could have this origin, whoever has."""
    try:
        return origins.normalise(text, livemode=False) == text
    except OriginRefused:
        return False
