"""Middleware of the console's pages."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from common.context import CauseType, caused_by

Handler = Callable[[HttpRequest], HttpResponse]


class OperatorMiddleware:
    """What a page of the console changes is caused by the operator who is signed in."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response
        self.console = reverse("admin:index")

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path.startswith(self.console) or not request.user.is_authenticated:
            return self.get_response(request)
        with caused_by(CauseType.OPERATOR, request.user.get_username()):
            return self.get_response(request)
