"""Around Django: everyday checks, uses and events are answered before anything is made of them.

Django spends five times as long on making a request and a response as the answer takes that this
process or Redis has ready, and as long as it takes to keep an event. So three addresses are looked
at first, as they come from the web server. What is answered here is a 200 to a key that this
process knows, or to what Stripe has signed. Everything else, every refusal and every request with
anything unusual in it, goes on to Django: there is one set of rules, and nobody can tell who has
answered.
"""

import time
from collections.abc import Callable, Iterable
from typing import Any

from django.core.signals import request_finished
from django.db import connection
from django.http import HttpResponse

from common import context
from config.hot import CHECK, CONSUME, RAISED, is_our_host
from config.tally import tally
from entitlements.consumption import api as consumption
from entitlements.decisions.api import check
from webhooks import views as webhooks

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]
DELIVERIES = ("/webhooks/stripe", "/api/v1/webhooks/stripe")


class ReadyAnswers:
    """A WSGI application: what is ready is answered here, the rest by ``django``."""

    def __init__(self, django: Application) -> None:
        self._django = django

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        ready = _ready(environ)
        if ready and "HTTP_IDEMPOTENCY_KEY" not in environ and is_our_host(environ):
            started = time.perf_counter()
            request_id = context.begin(environ.get("HTTP_X_REQUEST_ID", ""))
            body = ready(environ)
            if body is not None:
                start_response("200 OK", _headers(request_id))
                tally.note(
                    method=environ["REQUEST_METHOD"],
                    path=environ["PATH_INFO"],
                    status=200,
                    started=started,
                )
                return [body]
        return _whole(self._django(environ, start_response))


def copied(environ: Environ) -> tuple[list[tuple[str, str]], bytes] | None:
    """Headers and body of the 200 to an everyday check of which this process has a copy, else None.

    For the event loop: neither Redis nor the database is asked. ``environ`` needs the query and the
    headers Host, Authorization, X-Request-ID and Idempotency-Key only.
    """
    if "HTTP_IDEMPOTENCY_KEY" in environ or not is_our_host(environ):
        return None
    started = time.perf_counter()
    question = check.ready_for(environ)
    body = None if question is None else question.copied()
    if body is None:
        return None
    request_id = context.choose(environ.get("HTTP_X_REQUEST_ID", ""))
    tally.note(method="GET", path=CHECK, status=200, started=started)
    return _headers(request_id), body


def _headers(request_id: str) -> list[tuple[str, str]]:
    return [
        ("Content-Type", "application/json"),
        ("X-Request-ID", request_id),
        ("X-Content-Type-Options", "nosniff"),
    ]


def _ready(environ: Environ) -> Callable[[Environ], bytes | None] | None:
    """What looks at this address first; None for an address that is Django's."""
    method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
    if method == "POST":
        if path == CONSUME:
            return _consumed
        return _taken_in if path.startswith(DELIVERIES) else None
    return _checked if method == "GET" and path == CHECK else None


def _checked(environ: Environ) -> bytes | None:
    asked = check.ready_for(environ)
    if asked is None:
        return None
    body = asked.copied()
    return body if body is not None else _asked(environ, asked.answer)


def _consumed(environ: Environ) -> bytes | None:
    try:
        use = consumption.ready_for(environ)
    except OSError:  # the body did not arrive whole, which Django finds and says, too
        return None
    return None if use is None else _asked(environ, use)


def _taken_in(environ: Environ) -> bytes | None:
    delivery = webhooks.delivery(environ)
    return None if delivery is None else _asked(environ, delivery)


def _asked(environ: Environ, answer: Callable[[], bytes | None]) -> bytes | None:
    """The answer for which Redis or the database may be asked."""
    try:
        return answer()
    except Exception as error:  # noqa: BLE001  # as the ordinary way: every error is answered
        environ[RAISED] = error  # Django has the words for it, and need not try again
        return None
    finally:
        if connection.connection is not None:  # the database was asked, and Django looks after that
            request_finished.send(sender=ReadyAnswers)


def _whole(response: Iterable[bytes]) -> Iterable[bytes]:
    """The body at once when it is there at once: a list is sent in one go, with its length, and
    anything else is asked for piece by piece."""
    if not isinstance(response, HttpResponse):
        return response
    response.close()
    return [response.content]
