"""Django's own refusals (unknown address, bad host, wrong method, crash) as problem documents.

The console and the page of webhooks keep their HTML pages, because people read them.
"""

from django.http import HttpRequest, HttpResponse
from django.views import defaults
from django.views.csrf import csrf_failure

from common.api.problems import CONTENT_TYPE, document, render
from common.errors import NotFound

TITLES = {
    400: ("bad-request", "The request could not be understood."),
    403: ("forbidden", "This is not allowed."),
    404: (NotFound.code, NotFound.title),
    405: ("method-not-allowed", "The method is not allowed here."),
    500: ("internal-error", "Something went wrong on our side."),
}
PAGES = ("/admin", "/webhooks-portal/")
_OURS = (CONTENT_TYPE, "application/json", "application/graphql-response+json")
"""Media types of refusals that are bodies already."""
_KEPT = ("Allow", "Retry-After", "WWW-Authenticate")


def is_page(request: HttpRequest) -> bool:
    """Whether the request is for a page that people read, which refuses in HTML."""
    return request.path.startswith(PAGES)


def _answer(status: int, detail: str = "") -> HttpResponse:
    code, title = TITLES.get(status, TITLES[400])
    return render(document(status=status, code=code, title=title, detail=detail))


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler400."""
    return defaults.bad_request(request, exception) if is_page(request) else _answer(400)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler403."""
    return defaults.permission_denied(request, exception) if is_page(request) else _answer(403)


def csrf_refused(request: HttpRequest, reason: str = "") -> HttpResponse:
    """CSRF_FAILURE_VIEW."""
    return csrf_failure(request, reason=reason) if is_page(request) else _answer(403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler404."""
    return defaults.page_not_found(request, exception) if is_page(request) else _answer(404)


def server_error(request: HttpRequest) -> HttpResponse:
    """handler500: contains only the request id, which finds the log lines."""
    if is_page(request):
        return defaults.server_error(request)
    return _answer(500, "Quote the request id to the operators.")


def as_problem(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """The response itself, or a problem document in place of a bare or HTML refusal."""
    is_ours = response.headers.get("Content-Type", "").startswith(_OURS)
    if response.status_code < 400 or is_ours or is_page(request):
        return response
    refusal = _answer(response.status_code)
    for header in _KEPT:
        if header in response.headers:
            refusal[header] = response.headers[header]
    return refusal
