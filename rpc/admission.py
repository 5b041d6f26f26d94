"""Admit calls before their message is decoded: who calls, and whether the limits allow it.

The limits are those of the HTTP API, in the same buckets (``projects.limits``). A refused call is
held back for a moment, so that a caller who goes on sending at full speed does not take the event
loop from others.
"""

import asyncio
from functools import partial
from math import ceil
from typing import NamedTuple

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connections
from django.utils import timezone

from common import proxies
from common.request_threads import Threads
from projects.errors import RateLimited
from projects.keys import bearer_keys, key_cache
from projects.keys.api.authentication import find_caller, known_caller
from projects.keys.credentials import ProjectCredential
from projects.keys.lookups import KeyLookups
from projects.limits import refusal_log, shared_counts
from projects.limits.callers import AddressKind, RequestKind
from projects.limits.held_refusals import HeldRefusals
from projects.limits.lanes import lane_of_address
from projects.limits.limiter import Limiter
from projects.limits.refusal_log import RefusalLog
from projects.limits.token_bucket import Headers, Quota
from rpc.fair_answers import FairAnswers
from rpc.requests import CallMetadata
from rpc.routes import RpcRoute

FREQUENT = frozenset({"/entitlements/check", "/entitlements/consume"})
"""Paths of the calls that are counted as checks."""
MAX_HELD = 200
"""Refusals that are held back at the same time, further ones are answered at once; so many are a
flood. Each takes one of the calls that a process executes (``RpcSettings.max_calls``)."""


class AdmittedCall(NamedTuple):
    """``lane``: that of the project that a call is executed for, or of the caller's address."""

    metadata: CallMetadata
    lane: str
    limits: Headers
    """Metadata of the answer, which tells the caller what is left."""
    is_refused: bool = False
    """The view refuses the key: what the message contains does not matter."""


class LimitReached(Exception):  # an outcome, like the domain's errors
    """``wait``: seconds until the next call is allowed."""

    def __init__(self, wait: float, quota: Quota) -> None:
        super().__init__(wait)
        self.wait = wait
        self.quota = quota

    def refusal(self) -> RateLimited:
        seconds = max(1, ceil(self.wait))
        return RateLimited(f"Send the next call in {seconds} s.", retry_after=seconds)


class RpcGate:
    """Counts the calls of this process."""

    def __init__(self, threads: Threads, limiter: Limiter) -> None:
        self._threads = threads
        self._limiter = limiter
        self._is_on: bool = settings.RATE_LIMITS.are_on
        self._held = HeldRefusals(MAX_HELD, flood=MAX_HELD)
        self._refusals = RefusalLog()
        self._lookups = KeyLookups()
        self.fair_answers = FairAnswers()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._is_on:
            exchanges = shared_counts.keep_exchanging(self._limiter, self._threads)
            reports = refusal_log.keep_reporting(self._refusals)
            self._tasks = [loop.create_task(exchanges), loop.create_task(reports)]

    def let_go(self) -> None:
        """Answer held refusals now: the process ends when no call is left."""
        self._held.release()

    def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        self._refusals.report(is_last=True)

    def count_check(self, credential: ProjectCredential) -> Headers | None:
        """Count a check that is answered without a thread. Returns the metadata that tells what is
        left; None if nothing is."""
        self._threads.note(credential.project.pk)
        self.fair_answers.note(credential.project.pk)
        return self._limiter.count_check(credential) if self._is_on else []

    async def admit(self, route: RpcRoute, metadata: CallMetadata) -> AdmittedCall:
        """Find the caller and count the call. Raises LimitReached."""
        header, address = metadata.authorization, proxies.site_of(metadata.address)
        lane = lane_of_address(address)
        credential = known_caller(header, scope=route.scope, at=timezone.now())
        if credential is None and await self._lookups.wait(header):
            credential = known_caller(header, scope=route.scope, at=timezone.now())
        if credential is None:
            try:
                credential = await self._find_caller(header, route.scope, address)
            except (DatabaseError, InterfaceError):  # the view answers what that means
                return AdmittedCall(metadata, lane, [], is_refused=True)
        if credential is None:
            quota = self._limiter.quota_of_address(address, AddressKind.ANONYMOUS)
            return AdmittedCall(metadata, lane, self._take(quota), is_refused=True)
        self.fair_answers.note(credential.project.pk)
        kind = RequestKind.CHECKS if route.path in FREQUENT else RequestKind.REQUESTS
        quota = self._limiter.quota_of(credential, kind)
        return AdmittedCall(metadata, credential.project.pk, self._take(quota))

    async def _find_caller(self, header: str, scope: str, address: str) -> ProjectCredential | None:
        """Look the key up. From an address that has sent too many wrong ones a right key goes on
        working, because others may call from there; in a flood only one that was right before."""
        if self._held.is_flooded and not _had_valid_key(header):
            self._check_failures(address)
        find = partial(_find_caller, header, scope)
        lane = lane_of_address(address)
        with self._lookups.running(header):
            caller: ProjectCredential | None = await self._threads.run(
                find, lane=lane, is_paced=False
            )
        if caller is None and header:
            self._check_failures(address)
        return caller

    def count_failure(self, metadata: CallMetadata) -> None:
        """The view has refused the call's key as none that it knows."""
        if self._is_on:
            address = proxies.site_of(metadata.address)
            self._limiter.take(self._limiter.quota_of_address(address, AddressKind.FAILURES))

    async def hold(self, refusal: LimitReached) -> None:
        """Count the refusal for the log, and wait before it is answered, unless too many wait."""
        self._refusals.count(refusal.quota)
        refusal.wait -= await self._held.hold(refusal.quota)

    def _take(self, quota: Quota) -> Headers:
        if not self._is_on:
            return []
        wait = self._limiter.take(quota)
        if wait:
            raise LimitReached(wait, quota)
        return [(name.lower(), value) for name, value in quota.headers()]

    def _check_failures(self, address: str) -> None:
        quota = self._limiter.counted_quota_of(address, AddressKind.FAILURES)
        if quota is None or not self._is_on:
            return
        wait = self._limiter.wait(quota)
        if wait:
            raise LimitReached(wait, quota)


def _had_valid_key(header: str) -> bool:
    """Whether this process has accepted the key before."""
    secret = header.removeprefix("Bearer ")
    return key_cache.cache.has_accepted(bearer_keys.digest(secret))


def _find_caller(header: str, scope: str) -> ProjectCredential | None:
    """The caller with this key and scope; None if the view refuses it."""
    try:
        return find_caller(header, scope=scope, at=timezone.now())
    finally:
        connections.close_all()
