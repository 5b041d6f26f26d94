"""The Stripe API: authentication, form decoding, faults, idempotency, routing, response.

``StripeAPI.respond`` serves ``/v1`` and ``/v2`` without a socket. ``app`` serves it over WSGI,
``http_client`` as the SDK's HTTP client.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from typing import TYPE_CHECKING

from sandbox import API_VERSION, accounts, engine, faults, form_encoding, idempotency, test_clocks
from sandbox.accounts import Caller
from sandbox.errors import StripeFailure, internal_error, invalid
from sandbox.expand import expand
from sandbox.faults import Fault, FaultKind
from sandbox.objects import Params
from sandbox.resources.registry import RESOURCES
from sandbox.routing import Route, Router
from sandbox.transaction import EventRequest, Transaction
from sandbox.validation import validate_params

if TYPE_CHECKING:
    from sandbox.world import World

ROUTER = Router(RESOURCES)
INCLUDABLES = {key: make for each in RESOURCES for key, make in each.includables.items()}


@dataclass(frozen=True)
class ApiRequest:
    method: str
    path: str
    form: str
    """The query string of a GET or DELETE, the body of a POST."""
    headers: Mapping[str, str]
    """Header names are lower case."""


@dataclass(frozen=True)
class ApiResponse:
    status: int
    body: str
    headers: dict[str, str] = field(default_factory=dict)
    disconnect: Fault | None = None
    """The fault that breaks the connection, so that the caller does not get this response."""


@dataclass(frozen=True)
class _ApiCall:
    request: ApiRequest
    request_id: str
    caller: Caller
    route: Route
    ids: list[str]
    params: Params
    key: str | None
    fault: Fault | None


class StripeAPI:
    def __init__(self, world: World) -> None:
        self.world = world

    def respond(self, request: ApiRequest) -> ApiResponse:
        """Respond to any request, valid or not."""
        request_id = self.world.ids.new("req")
        try:
            response = self._process(request, request_id)
        except StripeFailure as failure:
            response = _error_response(failure, request_id)
        engine.run_test_clocks(self.world)
        common = _common_headers(request, request_id) | {"Date": self._date()}
        return replace(response, headers=common | response.headers)

    def _date(self) -> str:
        return formatdate(self.world.clock.now(), usegmt=True)

    def _process(self, request: ApiRequest, request_id: str) -> ApiResponse:
        caller = accounts.authenticate(
            self.world,
            request.headers.get("authorization"),
            request.headers.get("stripe-account"),
        )
        _check_version(request.headers.get("stripe-version"))
        matched = ROUTER.match(request.method, request.path)
        if matched is None:
            raise _unrecognized_url(request)
        route, ids = matched
        self.world.rate_limit.take(caller.account, f"{route.method} {route.path}")
        caller.permissions.check_request(request.method, request.path)
        params = form_encoding.decode_form(request.form)
        fault = self.world.faults.take(request.method, request.path)
        if fault and fault.kind.disconnects and not fault.kind.after_effect:
            return ApiResponse(500, "", disconnect=fault)
        if fault and fault.kind is FaultKind.MALFORMED_BEFORE:
            return _malform(ApiResponse(200, "{}"), fault)
        key = request.headers.get("idempotency-key") if request.method == "POST" else None
        call = _ApiCall(request, request_id, caller, route, ids, params, key, fault)
        try:
            response = self._run_with_key(call)
        except StripeFailure as failure:
            response = _error_response(failure, request_id)
        if fault and fault.kind is FaultKind.MALFORMED_AFTER:
            return _malform(response, fault)
        return replace(response, disconnect=fault if fault and fault.kind.disconnects else None)

    def _run_with_key(self, call: _ApiCall) -> ApiResponse:
        error = faults.fault_error(call.fault) if call.fault else None
        if error:
            raise error
        if call.key is None:
            return self._run_in_transaction(call)
        idempotency.check_key(call.key)
        with idempotency.lock_key(self.world, call.caller.account, call.key):
            return self._run_in_transaction(call)

    def _run_in_transaction(self, call: _ApiCall) -> ApiResponse:
        if call.fault and call.fault.kind is FaultKind.SLOW:
            time.sleep(call.fault.seconds)
        cause = EventRequest(call.request_id, call.key)
        try:
            with self.world.transaction(call.caller.account, cause=cause) as tx:
                saved_response = self._find_saved_response(tx, call)
                if saved_response:
                    return saved_response
                params = validate_params(call.params, call.route.params)
                return self._call_handler(tx, call, params)
        except _RolledBackError as rolled_back:
            with self.world.transaction(call.caller.account) as tx:
                return self._save_response(
                    tx, call, _error_response(rolled_back.failure, call.request_id)
                )

    def _call_handler(self, tx: Transaction, call: _ApiCall, params: Params) -> ApiResponse:
        kind = call.fault.kind if call.fault else None
        if kind is FaultKind.ERROR_BEFORE:
            raise _RolledBackError(internal_error())
        if kind is FaultKind.STALE_LIST and call.fault:
            tx.listed_until = tx.now - int(call.fault.seconds)
        try:
            paths = params.pop("expand", [])
            test_clocks.use_clock_time(tx, [*call.ids, *params.values()])
            body = call.route.handler(tx, params, *call.ids)
            expanded = expand(tx, body, paths, INCLUDABLES, call.caller.permissions)
            response = ApiResponse(200, dump_json(expanded))
        except StripeFailure as failure:
            if not failure.keep_effects:
                raise _RolledBackError(failure) from None
            response = _error_response(failure, call.request_id)
        finally:
            tx.fixed_time = None
        if kind is FaultKind.ERROR_AFTER:
            response = _error_response(internal_error(), call.request_id)
        return self._save_response(tx, call, response)

    def _find_saved_response(self, tx: Transaction, call: _ApiCall) -> ApiResponse | None:
        if call.key is None:
            return None
        path = call.request.path
        record = idempotency.find_response(tx, call.key, path=path, params=call.params)
        if record is None:
            return None
        headers = {"Idempotent-Replayed": "true", "Original-Request": record["request_id"]}
        return ApiResponse(record["status"], record["body"], headers)

    def _save_response(self, tx: Transaction, call: _ApiCall, response: ApiResponse) -> ApiResponse:
        """Save the response under the idempotency key. A saved 5xx tells the SDK not to retry."""
        if call.key is None:
            return response
        idempotency.save_response(
            tx,
            call.key,
            path=call.request.path,
            params=call.params,
            status=response.status,
            body=response.body,
            request_id=call.request_id,
        )
        if response.status >= 500:
            return replace(response, headers={**response.headers, "Stripe-Should-Retry": "false"})
        return response


class _RolledBackError(Exception):
    """The request has failed and its changes are rolled back."""

    def __init__(self, failure: StripeFailure) -> None:
        super().__init__(failure.message)
        self.failure = failure


def _error_response(failure: StripeFailure, request_id: str) -> ApiResponse:
    headers = {}
    if failure.should_retry is not None:
        headers["Stripe-Should-Retry"] = str(failure.should_retry).lower()
    return ApiResponse(failure.status, dump_json(failure.body(request_id)), headers)


def _malform(response: ApiResponse, fault: Fault) -> ApiResponse:
    status, body = fault.malformation.apply(response.status, response.body)
    headers = dict(response.headers)
    if not body.lstrip().startswith(("{", "[")):
        headers["Content-Type"] = "text/html"
    return replace(response, status=status, body=body, headers=headers)


def _common_headers(request: ApiRequest, request_id: str) -> dict[str, str]:
    headers = {
        "Content-Type": "application/json",
        "Request-Id": request_id,
        "Stripe-Version": request.headers.get("stripe-version") or API_VERSION,
    }
    if key := request.headers.get("idempotency-key"):
        headers["Idempotency-Key"] = key
    return headers


def _check_version(version: str | None) -> None:
    if version not in (None, API_VERSION):
        raise invalid(
            f"Invalid Stripe API version: {version}. This sandbox speaks {API_VERSION} only."
        )


def _unrecognized_url(request: ApiRequest) -> StripeFailure:
    return StripeFailure(
        f"Unrecognized request URL ({request.method}: {request.path}). Please see "
        "https://stripe.com/docs or we can help at https://support.stripe.com/.",
        status=404,
    )


def dump_json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))
