"""A content security policy on every page: nothing is loaded from another host."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

STRICT = (
    "default-src 'none'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'; script-src 'self'"
)
CONSOLE = STRICT.replace("script-src 'self'", "script-src 'self' 'unsafe-eval'")
"""The console's components (Alpine) evaluate expressions that stand in the page."""
DOCUMENTATION = (
    STRICT.replace("script-src 'self'", "script-src 'self' 'unsafe-inline'")
    + "; worker-src 'self' blob:"
)


def policy_for(path: str) -> str:
    if path.startswith("/admin"):
        return CONSOLE
    if path.startswith("/api/docs") or path.startswith("/api/redoc"):
        return DOCUMENTATION
    return STRICT


class ContentSecurityPolicyMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", policy_for(request.path))
        return response
