"""A content security policy for every page: nothing is loaded from another host."""

from django.http import HttpRequest, HttpResponse

from common.middleware import Handler

STRICT = (
    "default-src 'none'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'; script-src 'self'"
)
CONSOLE = STRICT.replace("script-src 'self'", "script-src 'self' 'unsafe-eval'")
"""The console's components (Alpine) evaluate expressions in the page."""
DOCUMENTATION = f"{STRICT}; worker-src 'self' blob:"
"""ReDoc creates its search worker from its own bundle."""


def policy_for(path: str) -> str:
    if path.startswith("/admin"):
        return CONSOLE
    if path.startswith("/api/redoc"):
        return DOCUMENTATION
    return STRICT


class ContentSecurityPolicyMiddleware:
    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", policy_for(request.path))
        return response
