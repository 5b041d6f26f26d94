"""The WSGI application: Stripe's API, the controls, the hosted pages and the home page."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import HTTPException, NotFound, RequestEntityTooLarge
from werkzeug.wrappers import Request, Response

import sandbox.payment_controls  # noqa: F401  # registers its controls
from sandbox import api, control, home_page, pages
from sandbox.api import StripeAPI
from sandbox.errors import internal_error

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from sandbox.world import World

logger = logging.getLogger(__name__)

MAX_BODY_BYTES = 1024 * 1024


class SandboxApplication:
    def __init__(self, world: World) -> None:
        self.world = world
        self._api = StripeAPI(world)
        self._controls = control.Controls(world)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request = Request(environ)
        request.max_content_length = MAX_BODY_BYTES
        try:
            response = self._respond(request)
        except HTTPException as refused:
            return refused(environ, start_response)
        return response(environ, start_response)

    def _respond(self, request: Request) -> Response:
        if request.path.startswith(("/v1/", "/v2/")):
            return self._stripe(request)
        if request.path.startswith("/_sandbox/"):
            return self._controls.respond(request)
        if request.path.startswith("/pages/"):
            return pages.respond(self.world, request)
        if request.path == "/":
            return home_page.respond(self.world, request)
        raise NotFound

    def _stripe(self, request: Request) -> Response:
        """Serve the Stripe API.

        Raises ``ConnectionResetError`` when a fault breaks the connection.
        """
        try:
            api_response = self._api.respond(_build_api_request(request))
        except RequestEntityTooLarge:
            raise
        except Exception:
            logger.exception("%s %s", request.method, request.path)
            body = internal_error().body(self.world.ids.new("req"))
            return _json_response(500, api.dump_json(body), {})
        if api_response.disconnect:
            if api_response.disconnect.kind.is_timeout:
                time.sleep(api_response.disconnect.seconds)
            raise ConnectionResetError(str(api_response.disconnect.kind))
        return _json_response(api_response.status, api_response.body, api_response.headers)


def _build_api_request(request: Request) -> api.ApiRequest:
    if request.method in ("GET", "DELETE"):
        form = request.query_string.decode("utf-8", "replace")
    else:
        form = request.get_data().decode("utf-8", "replace")
    headers = {name.lower(): value for name, value in request.headers.items()}
    return api.ApiRequest(request.method, request.path, form, headers)


def _json_response(status: int, body: str, headers: dict[str, Any]) -> Response:
    kind = headers.get("Content-Type", "application/json")
    return Response(body, status=status, headers=headers, content_type=kind)
