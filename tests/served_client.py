"""Django's test client, with the fast path in front of Django as in the product."""

from typing import Any

from django.core.handlers.wsgi import WSGIRequest
from django.core.signals import request_finished
from django.db import close_old_connections
from django.http import HttpResponse
from django.test import Client
from django.test.client import ClientHandler

from config.fast_path import answer_fast


class ServedHandler(ClientHandler):
    """Answers as :class:`config.fast_path.FastPath` does."""

    def __call__(self, environ: dict[str, Any]) -> Any:
        request_finished.disconnect(close_old_connections)  # as for each request of Django's client
        try:
            answer = answer_fast(environ)
        finally:
            request_finished.connect(close_old_connections)
        if answer is None:
            return super().__call__(environ)
        response: Any = HttpResponse(
            answer.body, status=answer.status, headers=dict(answer.headers)
        )
        response.wsgi_request = WSGIRequest(environ)
        return response


class ServedClient(Client):
    """A crash of the service is an answer (500), as it is for a real caller."""

    def __init__(self) -> None:
        super().__init__(raise_request_exception=False)
        self.handler = ServedHandler(enforce_csrf_checks=False)
