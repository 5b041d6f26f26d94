"""The same request under the same ``Idempotency-Key`` is carried out once (docs/rules.md, R10).

``claim`` before the work, ``keep`` with its answer or ``give_back`` when the caller should try
again. A claim is a row that commits before the work starts, so a second request sees it. It is a
lease of a few seconds, which the process that answers renews while it lives
(``idempotency_leases``). After a crash nobody does, and the next request takes it over. The time
of the claim is the fence: whoever was thought dead can no longer keep an answer.
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
from projects.models import IdempotencyKey, OnceOnly, PlatformIdempotencyKey
from projects.models.idempotency_key import LEASE

LEASE_COLUMNS = LeaseColumns(until="locked_until", fence="locked_at")
PURGE_BATCH = 5000


class KeyInvalid(Invalid):
    code, title = "idempotency-key-invalid", "The Idempotency-Key header is not valid."


class KeyReused(Conflict):
    code = "idempotency-key-reused"
    title = "This Idempotency-Key has been used for another request."


class InFlight(Conflict):
    code = "idempotency-key-in-flight"
    title = "The first request with this Idempotency-Key is still under way."


class LostClaim(Exception):
    """The claim was taken over: what this request did must not be kept."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a caller was told, to the byte."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to carry out a request, or the answer that it has had."""

    caller: Caller
    row: OnceOnly
    answer: Answer | None = None
    is_retry: bool = False
    """Whether an earlier try may have done a part of the work."""

    @property
    def request_key(self) -> RequestKey:
        """The same for every try of the request. A day later the row stands for another one."""
        return RequestKey(f"{self.row.pk}.{int(self.row.created_at.timestamp())}", self.is_retry)


def fingerprint(*, caller: Caller, method: str, path: str, body: bytes) -> str:
    """What makes two requests the same: what is asked, and with which rights.

    The rights belong to it because an answer may hold a new key: a key with fewer scopes must not
    be handed what a key with more was given. A rotated key has the same rights as its successor.
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


def claim(*, caller: Caller, key: str, fingerprint: str, at: datetime) -> Claim:
    """The right to go ahead, or the stored answer.

    Raises:
        KeyInvalid: the key is empty, longer than 255 characters, or not printable ASCII.
        KeyReused: the key stands for another request.
        InFlight: the first request is under way.
    """
    if not (1 <= len(key) <= 255 and key.isascii() and key.isprintable()):
        raise KeyInvalid("Send 1 to 255 printable ASCII characters.", field="Idempotency-Key")
    row = _new(caller=caller, key=key, fingerprint=fingerprint, at=at)
    if _insert(row):
        return Claim(caller, row)
    return _claim_again(caller=caller, key=key, fingerprint=fingerprint, at=at)


def _new(*, caller: Caller, key: str, fingerprint: str, at: datetime) -> OnceOnly:
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
        key=idempotency_keys.stored(caller=caller, key=key),
        fingerprint=fingerprint,
        locked_at=at,
        created_at=at,
    )


INSERT_OF_PROJECT = """
INSERT INTO projects_idempotencykey
    (id, project_id, key, fingerprint, locked_at, locked_until, headers, answer, created_at)
VALUES (%(id)s, %(owner)s, %(key)s, %(fingerprint)s, %(at)s, statement_timestamp() + %(lease)s,
    '{}', '', %(at)s)
ON CONFLICT (project_id, key) DO NOTHING
"""
INSERT_OF_PLATFORM = """
INSERT INTO projects_platformidempotencykey
    (id, platform_key_id, key, fingerprint, locked_at, locked_until, headers, answer, created_at)
VALUES (%(id)s, %(owner)s, %(key)s, %(fingerprint)s, %(at)s, statement_timestamp() + %(lease)s,
    '{}', '', %(at)s)
ON CONFLICT (platform_key_id, key) DO NOTHING
"""


def _insert(row: OnceOnly) -> bool:
    """Whether the key was new. A key that comes again is everyday, and no error to PostgreSQL."""
    if isinstance(row, PlatformIdempotencyKey):
        statement, owner = INSERT_OF_PLATFORM, row.platform_key_id
    else:
        assert isinstance(row, IdempotencyKey)
        statement, owner = INSERT_OF_PROJECT, row.project_id
    given = {
        "id": row.pk,
        "owner": owner,
        "key": row.key,
        "fingerprint": row.fingerprint,
        "at": row.created_at,
        "lease": LEASE,
    }
    with connection.cursor() as cursor:
        cursor.execute(statement, given)
        return bool(cursor.rowcount)


def _claim_again(*, caller: Caller, key: str, fingerprint: str, at: datetime) -> Claim:
    with transaction.atomic():
        row = idempotency_keys.lock(caller=caller, key=key)
        if row is None:  # purged between the two statements
            raise InFlight("Send it again then.", retry_after=1)
        is_over = row.is_over(at)
        if is_over:
            row.fingerprint, row.created_at, row.status, row.answer = fingerprint, at, None, ""
        elif row.fingerprint != fingerprint:
            raise KeyReused("Send each new request with a key of its own.")
        elif row.status is not None:
            return Claim(caller, row, _answer(row))
        elif (left := seconds(row.lease_left)) > 0:
            raise InFlight("Send it again then.", retry_after=left)
        row.locked_at, row.locked_until = at, Now() + LEASE
        row.save()
    return Claim(caller, row, is_retry=not is_over)


def keep(*, claim: Claim, answer: Answer) -> None:
    """Remember the answer. Raises LostClaim when another request has taken over."""
    row = claim.row
    sealed = crypto.encrypt(base64.b64encode(answer.body).decode(), context=row.answer_context)
    _settle(claim, status=answer.status, headers=answer.headers, answer=sealed, locked_at=None)


def give_back(*, claim: Claim) -> None:
    """Nothing was carried out: the next request with this key tries again."""
    _settle(claim, locked_at=None)


def renew(*, claims: Collection[Claim]) -> None:
    """Say that whoever answers these requests lives; what has been taken over stays so."""
    for model in (IdempotencyKey, PlatformIdempotencyKey):
        held = {each.row.pk: each.row.locked_at for each in claims if isinstance(each.row, model)}
        if held:
            with transaction.atomic():
                ids = idempotency_keys.lock_many(model, held=held)
                rows = idempotency_keys.every(model).filter(pk__in=ids)
                lease.renew(rows, duration=LEASE, columns=LEASE_COLUMNS)


def lost(*, claim: Claim) -> InFlight:
    """What to tell the caller whose claim another request has taken over."""
    left = idempotency_keys.lease_left(caller=claim.caller, row_id=claim.row.pk)
    return InFlight("Send it again then.", retry_after=max(seconds(left), 1))


def seconds(lease_left: timedelta | None) -> int:
    """Whole seconds until the lease is over for certain; 0 when it is or there is none."""
    return max(ceil(lease_left.total_seconds()), 0) if lease_left else 0


def purge(*, at: datetime) -> int:
    """Forget what is older than a day, a batch at a time; how many keys that were."""
    purged = 0
    for rows in idempotency_keys.expired(at=at):
        while batch := list(rows.values_list("pk", flat=True)[:PURGE_BATCH]):
            purged += rows.filter(pk__in=batch).delete()[0]
    return purged


def _settle(claim: Claim, **values: object) -> None:
    rows = idempotency_keys.of(claim.caller)
    row = claim.row
    if not lease.write(rows, key=row.pk, fence=row.locked_at, columns=LEASE_COLUMNS, **values):
        raise LostClaim


def _answer(row: OnceOnly) -> Answer:
    body = base64.b64decode(crypto.decrypt(row.answer, context=row.answer_context))
    return Answer(status=row.status or 200, headers=row.headers, body=body)
