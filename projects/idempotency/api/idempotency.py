"""The ``Idempotency-Key`` header, for every POST, PATCH and DELETE of the API.

The response is kept if the request was carried out or refused by a business rule (2xx, 402, 409).
A request that was malformed, not allowed or met a fault has changed nothing: its key is free again,
and a retry is carried out.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from django.core.exceptions import RequestDataTooBig
from django.db import DatabaseError, transaction
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.urls import Resolver404, resolve
from django.utils import timezone
from rest_framework.authentication import get_authorization_header
from rest_framework.exceptions import AuthenticationFailed

from common.api.problems import plain, refusal_of
from common.context import request_key
from common.errors import DomainError
from common.middleware import Handler
from projects.errors import KeysUnavailable, ProjectSuspended, TokenRefused
from projects.idempotency import service as idempotency
from projects.idempotency.idempotency_leases import lock_renewer
from projects.idempotency.selectors import Caller
from projects.idempotency.service import IdempotencyLock, IdempotencyLockLost, StoredResponse
from projects.keys.api.authentication import identify
from projects.sign_in.api import user_authentication

HEADER, REPLAYED = "Idempotency-Key", "Idempotent-Replayed"
METHODS = frozenset({"POST", "PATCH", "DELETE"})
KEPT_HEADERS = ("Content-Type", "Location")
REFUSED = (
    AuthenticationFailed,
    ProjectSuspended,
    TokenRefused,
    KeysUnavailable,
    RequestDataTooBig,
    UnreadablePostError,
)


class IdempotencyMiddleware:
    """Answer a repeated request with the response of the first one."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        try:
            claim = _claim(request)
            if claim is None:
                return self.get_response(request)
            if claim.response is not None:
                return _replay(claim.response)
            with lock_renewer.renewing(claim), _named(claim):
                if _is_transactional(request):
                    return self._in_one_transaction(request, claim)
                return self._then_keep(request, claim)
        except (DomainError, DatabaseError) as error:
            refusal = refusal_of(error)
            if refusal is None:
                raise
            return plain(refusal)

    def _in_one_transaction(self, request: HttpRequest, claim: IdempotencyLock) -> HttpResponse:
        """Run the view and store its response in one transaction: a crash loses both or none."""
        try:
            with transaction.atomic():
                response = self.get_response(request)
                if _is_kept(response):
                    idempotency.store_response(lock=claim, response=_answer(response))
                else:
                    transaction.set_rollback(True)
        except IdempotencyLockLost as error:
            raise idempotency.build_in_flight_error(lock=claim) from error
        if not _is_kept(response):
            with suppress(IdempotencyLockLost):
                idempotency.release(lock=claim)
        return response

    def _then_keep(self, request: HttpRequest, claim: IdempotencyLock) -> HttpResponse:
        """Run a view that calls Stripe between its own transactions, then store its response."""
        response = self.get_response(request)
        with suppress(IdempotencyLockLost):
            if _is_kept(response):
                idempotency.store_response(lock=claim, response=_answer(response))
            else:
                idempotency.release(lock=claim)
        return response


@contextmanager
def _named(claim: IdempotencyLock) -> Iterator[None]:
    """Make the request's key known to the code that runs inside the block."""
    token = request_key.set(claim.request_key)
    try:
        yield
    finally:
        request_key.reset(token)


def _claim(request: HttpRequest) -> IdempotencyLock | None:
    """Lock the request's idempotency key; None for a request without a key or a caller."""
    key = request.headers.get(HEADER)
    if key is None or request.method not in METHODS or not request.path_info.startswith("/api/v1/"):
        return None
    try:
        caller, body = _caller(request), request.body
    except REFUSED:
        return None  # the view refuses it, and says why
    if caller is None:
        return None
    sameness = idempotency.fingerprint(
        caller=caller, method=request.method, path=request.get_full_path(), body=body
    )
    return idempotency.claim(caller=caller, key=key, fingerprint=sameness, at=timezone.now())


def _caller(request: HttpRequest) -> Caller | None:
    if request.path_info.startswith(user_authentication.PREFIX):
        return user_authentication.identify(request)
    header = get_authorization_header(request)  # type: ignore[arg-type]  # it reads META
    return identify(header, at=timezone.now())


def _is_transactional(request: HttpRequest) -> bool:
    """Whether the view promises that it only writes to the database."""
    try:
        view = resolve(request.path_info).func
    except Resolver404:
        return False
    return bool(getattr(getattr(view, "cls", None), "transactional", False))


def _is_kept(response: HttpResponse) -> bool:
    if response.status_code in (402, 409):
        return "Retry-After" not in response.headers
    return 200 <= response.status_code < 300


def _answer(response: HttpResponse) -> StoredResponse:
    headers = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
    return StoredResponse(status=response.status_code, headers=headers, body=response.content)


def _replay(answer: StoredResponse) -> HttpResponse:
    headers = {**answer.headers, REPLAYED: "true"}
    return HttpResponse(answer.body, status=answer.status, headers=headers)
