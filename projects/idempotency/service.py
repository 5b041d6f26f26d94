"""A request with the same ``Idempotency-Key`` is carried out once (docs/rules.md, R10).

Call ``claim`` before the work, then ``store_response``, or ``release`` when the caller should
retry. The lock is a row that commits before the work starts, so a second request sees it. It is a
lease of a few seconds, renewed while the process lives (``idempotency_leases``); after a crash the
next request takes it over. The lock time is the fence: a process that lost its lock cannot store a
response.
"""

import base64
import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from django.db import connection, transaction
from django.db.models.functions import Now

from common import crypto, lease
from common.context import RequestKey
from common.errors import Conflict, Invalid
from common.lease import LeaseColumns
from projects.idempotency import selectors as idempotency_keys
from projects.idempotency.selectors import Caller
from projects.keys.credentials import PlatformCredential, ProjectCredential, UserCredential
from projects.models import IdempotencyKey, IdempotencyRecord, PlatformIdempotencyKey
from projects.models.idempotency_key import LEASE_TIME

LEASE_COLUMNS = LeaseColumns(until="locked_until", fence="locked_at")
PURGE_BATCH = 5000


class KeyInvalid(Invalid):
    code, title = "idempotency-key-invalid", "The Idempotency-Key header is not valid."


class KeyReused(Conflict):
    code = "idempotency-key-reused"
    title = "This Idempotency-Key has been used for another request."


class RequestInFlight(Conflict):
    code = "idempotency-key-in-flight"
    title = "The first request with this Idempotency-Key is still under way."


class IdempotencyLockLost(Exception):
    """Another request has taken over the lock: this response must not be stored."""


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """A response, byte for byte."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class IdempotencyLock:
    """The right to carry out a request, or the response that it had."""

    caller: Caller
    row: IdempotencyRecord
    response: StoredResponse | None = None
    is_retry: bool = False
    """Whether an earlier attempt may have done a part of the work."""

    @property
    def request_key(self) -> RequestKey:
        """Equal for every attempt of the request; a day later the key stands for another
        request."""
        return RequestKey(f"{self.row.pk}.{int(self.row.created_at.timestamp())}", self.is_retry)


def fingerprint(*, caller: Caller, method: str, path: str, body: bytes) -> str:
    """Equal for equal requests with equal rights.

    Rights are included because a response may contain a new key: a key with fewer scopes must not
    receive what a key with more scopes got. A rotated key has the rights of its successor.
    """
    rights = ["platform"]
    if isinstance(caller, ProjectCredential):
        rights = [caller.app_id or "", *sorted(caller.scopes)]
    elif isinstance(caller, UserCredential):
        rights = ["user", caller.user_id]
    digest = hashlib.sha256()
    for part in (method, path, " ".join(rights)):
        digest.update(part.encode() + b"\x00")
    digest.update(body)
    return digest.hexdigest()


def claim(*, caller: Caller, key: str, fingerprint: str, at: datetime) -> IdempotencyLock:
    """Lock the key, or return the stored response.

    Raises:
        KeyInvalid: the key is empty, longer than 255 characters, or not printable ASCII.
        KeyReused: the key stands for another request.
        RequestInFlight: the first request is in progress.
    """
    if not (1 <= len(key) <= 255 and key.isascii() and key.isprintable()):
        raise KeyInvalid("Send 1 to 255 printable ASCII characters.", field="Idempotency-Key")
    row = _new_row(caller=caller, key=key, fingerprint=fingerprint, at=at)
    if _insert(row):
        return IdempotencyLock(caller, row)
    return _claim_existing(caller=caller, key=key, fingerprint=fingerprint, at=at)


def _new_row(*, caller: Caller, key: str, fingerprint: str, at: datetime) -> IdempotencyRecord:
    if isinstance(caller, PlatformCredential):
        return PlatformIdempotencyKey(
            platform_key_id=caller.key_id,
            key=key,
            fingerprint=fingerprint,
            locked_at=at,
            created_at=at,
        )
    return IdempotencyKey(
        project=caller.project,
        key=idempotency_keys.stored_key(caller=caller, key=key),
        fingerprint=fingerprint,
        locked_at=at,
        created_at=at,
    )


INSERT_PROJECT_KEY = """
INSERT INTO projects_idempotencykey
    (id, project_id, key, fingerprint, locked_at, locked_until, headers, answer, created_at)
VALUES (%(id)s, %(owner)s, %(key)s, %(fingerprint)s, %(at)s, statement_timestamp() + %(lease)s,
    '{}', '', %(at)s)
ON CONFLICT (project_id, key) DO NOTHING
"""
INSERT_PLATFORM_KEY = """
INSERT INTO projects_platformidempotencykey
    (id, platform_key_id, key, fingerprint, locked_at, locked_until, headers, answer, created_at)
VALUES (%(id)s, %(owner)s, %(key)s, %(fingerprint)s, %(at)s, statement_timestamp() + %(lease)s,
    '{}', '', %(at)s)
ON CONFLICT (platform_key_id, key) DO NOTHING
"""


def _insert(row: IdempotencyRecord) -> bool:
    """Whether the key was new. ON CONFLICT: a repeated key is no error in PostgreSQL's log."""
    if isinstance(row, PlatformIdempotencyKey):
        statement, owner = INSERT_PLATFORM_KEY, row.platform_key_id
    else:
        assert isinstance(row, IdempotencyKey)
        statement, owner = INSERT_PROJECT_KEY, row.project_id
    parameters = {
        "id": row.pk,
        "owner": owner,
        "key": row.key,
        "fingerprint": row.fingerprint,
        "at": row.created_at,
        "lease": LEASE_TIME,
    }
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return bool(cursor.rowcount)


def _claim_existing(*, caller: Caller, key: str, fingerprint: str, at: datetime) -> IdempotencyLock:
    with transaction.atomic():
        row = idempotency_keys.lock(caller=caller, key=key)
        if row is None:  # purged between the two statements
            raise RequestInFlight("Send it again then.", retry_after=1)
        is_over = row.is_over(at)
        if is_over:
            row.fingerprint, row.created_at, row.status, row.answer = fingerprint, at, None, ""
        elif row.fingerprint != fingerprint:
            raise KeyReused("Send a new key with each new request.")
        elif row.status is not None:
            return IdempotencyLock(caller, row, _decrypt_response(row))
        elif (seconds_left := whole_seconds_left(row.lease_left)) > 0:
            raise RequestInFlight("Send it again then.", retry_after=seconds_left)
        row.locked_at, row.locked_until = at, Now() + LEASE_TIME
        row.save()
    return IdempotencyLock(caller, row, is_retry=not is_over)


def store_response(*, lock: IdempotencyLock, response: StoredResponse) -> None:
    """Store the response. Raises IdempotencyLockLost when another request has taken over."""
    row = lock.row
    sealed = crypto.encrypt(base64.b64encode(response.body).decode(), context=row.answer_context)
    _update_owned(
        lock, status=response.status, headers=response.headers, answer=sealed, locked_at=None
    )


def release(*, lock: IdempotencyLock) -> None:
    """Nothing was carried out: the next request with this key tries again."""
    _update_owned(lock, locked_at=None)


def renew_leases(*, locks: Collection[IdempotencyLock]) -> None:
    """Renew these leases; locks that were taken over stay so."""
    for model in (IdempotencyKey, PlatformIdempotencyKey):
        locked_at_by_id = {
            lock.row.pk: lock.row.locked_at for lock in locks if isinstance(lock.row, model)
        }
        if locked_at_by_id:
            with transaction.atomic():
                ids = idempotency_keys.lock_many(model, locked_at_by_id=locked_at_by_id)
                rows = idempotency_keys.keys_of_all_callers(model).filter(pk__in=ids)
                lease.renew(rows, duration=LEASE_TIME, columns=LEASE_COLUMNS)


def build_in_flight_error(*, lock: IdempotencyLock) -> RequestInFlight:
    """The error for a request whose lock was taken over."""
    lease_left = idempotency_keys.lease_left(caller=lock.caller, row_id=lock.row.pk)
    return RequestInFlight(
        "Send it again then.", retry_after=max(whole_seconds_left(lease_left), 1)
    )


def whole_seconds_left(lease_left: timedelta | None) -> int:
    """Whole seconds until the lease ends, rounded up; 0 when it has ended or there is none."""
    return max(ceil(lease_left.total_seconds()), 0) if lease_left else 0


def purge(*, at: datetime) -> int:
    """Delete keys older than a day, in batches. Returns how many."""
    purged = 0
    for rows in idempotency_keys.expired(at=at):
        while batch := list(rows.values_list("pk", flat=True)[:PURGE_BATCH]):
            purged += rows.filter(pk__in=batch).delete()[0]
    return purged


def _update_owned(lock: IdempotencyLock, **values: object) -> None:
    rows = idempotency_keys.of(lock.caller)
    row = lock.row
    if not lease.write(rows, key=row.pk, fence=row.locked_at, columns=LEASE_COLUMNS, **values):
        raise IdempotencyLockLost


def _decrypt_response(row: IdempotencyRecord) -> StoredResponse:
    body = base64.b64decode(crypto.decrypt(row.answer, context=row.answer_context))
    return StoredResponse(status=row.status or 200, headers=row.headers, body=body)
