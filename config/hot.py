"""The hottest addresses go around the middleware that they do not need.

Sessions, sign-in, CSRF, messages, static files and cross-origin rules belong to people and to
browsers. What remains is what every caller of the API is promised: the request id in and out, the
host's name checked, refusals as problem documents, a lost database as a 503. A request that is
unusual in any way (another method, parameters where there are none, an ``Idempotency-Key``, a
name in the Host header that is not ours) takes the ordinary way through all of the middleware.

One line in the log per request would cost more than the answer: they are counted (``tally``). In
front of Django, ``config.ready`` answers what is hotter still.
"""

import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.core.handlers.exception import response_for_exception
from django.http import HttpRequest, HttpResponse
from django.http.request import split_domain_port, validate_host
from django.template.response import SimpleTemplateResponse
from django.urls import resolve

from common import context
from common.api import django_refusals
from common.api.problems import plain, refusal_of
from common.middleware import Handler, remove_methods
from config.tally import tally
from entitlements.consumption import api as consumption
from entitlements.decisions.api import check

View = Callable[[HttpRequest], HttpResponse | None]

RAISED = "tollgate.raised"
"""Where ``config.ready`` leaves the error that answering ended with."""


def _as_routed(request: HttpRequest) -> HttpResponse | None:
    """The view of this address, for one that is read and judged by itself."""
    if request.META.get("QUERY_STRING") or "\x00" in request.path_info:
        return None
    found = _route(request.path_info)
    request.resolver_match = found
    answer: HttpResponse = found.func(request, *found.args, **found.kwargs)
    return answer.render() if isinstance(answer, SimpleTemplateResponse) else answer


_route = lru_cache(maxsize=256)(resolve)  # always the same, and a tenth of the time of a hot answer

CHECK = "/api/v1/entitlements/check"
CONSUME = "/api/v1/entitlements/consume"
HOT: dict[tuple[str, str], View] = {
    ("GET", CHECK): check.everyday,
    ("POST", CHECK): check.everyday,
    ("POST", CONSUME): consumption.everyday,
    ("POST", "/api/v1/usage"): _as_routed,
    ("POST", "/webhooks/stripe"): _as_routed,
    ("POST", "/api/v1/webhooks/stripe"): _as_routed,
}
HOT_BELOW = ("/webhooks/stripe/", "/api/v1/webhooks/stripe/")
"""Where the rest of the address is a token."""


class HotPathMiddleware:
    """Stands before all others: answers what is hot and everyday, and hands on the rest."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        view = _view(request)
        if view is None or "HTTP_IDEMPOTENCY_KEY" in request.META or not is_our_host(request.META):
            return self.get_response(request)
        started = time.perf_counter()
        request_id = context.begin(request.META.get("HTTP_X_REQUEST_ID", ""))
        response = _answer(request, view)
        if response is None:
            return self.get_response(request)
        response.headers["X-Request-ID"] = request_id
        response.headers["X-Content-Type-Options"] = "nosniff"
        remove_methods(response)
        tally.note(
            method=request.method or "",
            path=request.path,
            status=response.status_code,
            started=started,
        )
        return response


def _view(request: HttpRequest) -> View | None:
    path, method = request.path_info, request.method or ""
    found = HOT.get((method, path))
    if found is None and method == "POST" and path.startswith(HOT_BELOW):
        return _as_routed
    return found


def is_our_host(environ: Mapping[str, Any]) -> bool:
    """Whether the request was meant for one of ALLOWED_HOSTS; an empty Host is none of them."""
    host = environ.get("HTTP_HOST")
    if host is None:  # as Django does; the web server always says, if only that there is none
        host = environ["SERVER_NAME"]
    return _is_allowed(host, tuple(settings.ALLOWED_HOSTS))


@lru_cache(maxsize=1024)
def _is_allowed(host: str, allowed: tuple[str, ...]) -> bool:
    domain, _ = split_domain_port(host)
    return bool(domain) and validate_host(domain, allowed)


def _answer(request: HttpRequest, view: View) -> HttpResponse | None:
    try:
        _again(request)
        response = view(request)
    except Exception as error:  # noqa: BLE001  # as the ordinary way: every error is answered
        refusal = refusal_of(error)
        response = plain(refusal) if refusal else response_for_exception(request, error)
    if response is None or response.status_code < 400:
        return response
    return django_refusals.in_our_words(request, response)


def _again(request: HttpRequest) -> None:
    """Raise what answering has ended with already, if it has."""
    if RAISED in request.META:
        raise request.META[RAISED]
