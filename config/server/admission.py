"""Admit requests before their body is read: who calls, and whether their limit allows it.

Rules and figures are in ``projects.limits``. A refused request is held back for a moment, so that a
caller who goes on sending at full speed does not take the event loop from others.
"""

import asyncio
from dataclasses import dataclass
from functools import partial
from math import ceil
from typing import Any

from django.conf import settings
from django.http import HttpResponse

from common import proxies
from common.api.problems import plain
from common.request_threads import Threads
from config.fast_path import ROUTES
from config.server import callers
from config.server.callers import CallerStatus, RequestSender
from projects.errors import RateLimited
from projects.keys.credentials import ProjectCredential
from projects.keys.lookups import KeyLookups
from projects.limits import refusal_log, shared_counts
from projects.limits.callers import AddressKind, RequestKind
from projects.limits.held_refusals import HeldRefusals
from projects.limits.lanes import lane_of_address
from projects.limits.limiter import Limiter
from projects.limits.refusal_log import RefusalLog
from projects.limits.token_bucket import Quota

Environ = dict[str, Any]
Headers = list[tuple[str, str]]

CHECKS = frozenset(path for _, path in ROUTES)
PROBES = frozenset({"/live", "/ready"})
LOGIN = "/admin/login/"
UNCOUNTED = frozenset({CallerStatus.SIGNED, CallerStatus.UNIDENTIFIED})
"""Nobody is told to wait because the database is away: 503 says so."""
MAX_HELD, FLOOD = 5000, 500
"""Refusals that are held back at the same time, further ones are answered at once; and the number
from which on they are a flood."""
MAX_ACCEPTED = 10_000
"""Paths with a right signature that are remembered; at the next one all are forgotten."""


@dataclass(frozen=True, slots=True)
class Admission:
    """A request that may be executed."""

    caller: RequestSender
    lane: str
    """The project that it is executed for, or else the lane of the caller's address."""
    address: str
    quota: Quota | None

    @property
    def headers(self) -> Headers:
        """The headers of the answer that tell the caller what is left."""
        return [] if self.quota is None else self.quota.headers()


class RefusedByLimit(Exception):  # an outcome, like the domain's errors
    """The caller's limit does not allow the request. ``wait``: seconds until it does."""

    def __init__(self, wait: float, quota: Quota) -> None:
        super().__init__(wait)
        self.wait = wait
        self.quota = quota

    def answer(self) -> HttpResponse:
        """The problem document; its ``Retry-After`` is true from now on."""
        seconds = max(1, ceil(self.wait))
        refusal = RateLimited(
            f"Send the next request in {seconds} s. RateLimit-Policy names the limits.",
            retry_after=seconds,
        )
        response = plain(refusal)
        for name, value in self.quota.headers():
            response[name] = value
        return response


class Gate:
    """Counts the requests of this process."""

    def __init__(self, threads: Threads, limiter: Limiter) -> None:
        self._threads = threads
        self._limiter = limiter
        self._is_on: bool = settings.RATE_LIMITS.are_on
        self._held = HeldRefusals(MAX_HELD, flood=FLOOD)
        self._refusals = RefusalLog()
        self._lookups = KeyLookups()
        self._accepted: set[str] = set()
        """Paths at which a signature was right."""
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._is_on:
            exchanges = shared_counts.keep_exchanging(self._limiter, self._threads)
            reports = refusal_log.keep_reporting(self._refusals)
            self._tasks = [loop.create_task(exchanges), loop.create_task(reports)]

    def let_go(self) -> None:
        """Answer held refusals now: the process ends when no request is left."""
        self._held.release()

    def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        self._refusals.report(is_last=True)

    def count_check(self, credential: ProjectCredential) -> Headers | None:
        """Count a check that is answered without a thread. Returns the headers that tell what is
        left; None if nothing is."""
        self._threads.note(credential.project.pk)
        return self._limiter.count_check(credential) if self._is_on else []

    async def admit(self, environ: Environ) -> Admission:
        """Find the caller and count the request. Raises RefusedByLimit."""
        proxies.resolve(environ)
        address = proxies.site_of(environ["REMOTE_ADDR"])
        path, caller = callers.present_path(environ), callers.cached_caller(environ)
        if caller is not None and caller.status is CallerStatus.SIGNED:
            self._check_signatures(path, address)
        if caller is None and await self._lookups.wait(callers.cacheable_key(environ)):
            caller = callers.cached_caller(environ)
        if caller is None:
            caller = await self._find_caller(environ, address)
        tenant = caller.credential.tenant if caller.credential else None
        quota = self._quota_of(caller, path, address)
        if environ["REQUEST_METHOD"] == "OPTIONS":
            self._count_preflight(address)
        elif quota is not None:
            self._take(quota)
        lane = tenant.pk if tenant else lane_of_address(address)
        return Admission(caller, lane, address, quota)

    async def _find_caller(self, environ: Environ, address: str) -> RequestSender:
        """Look the key up. From an address that has sent too many wrong ones a right key goes on
        working, because others may call from there; in a flood only one that was right before."""
        if self._held.is_flooded and not callers.had_valid_key(environ):
            self._check_failures(address)
        find = partial(callers.find_caller, environ)
        lane = lane_of_address(address)
        with self._lookups.running(callers.cacheable_key(environ)):
            caller: RequestSender = await self._threads.run(find, lane=lane, is_paced=False)
        if caller.status is CallerStatus.REFUSED:
            self._check_failures(address)
            self._count_failure(address)
        return caller

    def finish(self, admission: Admission, path: str, status: int) -> None:
        """Note how a signed request was answered."""
        if admission.caller.status is not CallerStatus.SIGNED:
            return
        if status < 300:
            self._accept(path)
        elif status == 404:
            self._count_failure(_unknown_paths(admission.address))
        elif status < 500:
            self._count_failure(f"{admission.address} {path}")

    async def hold(self, refusal: RefusedByLimit) -> None:
        """Count the refusal for the log, and wait before it is answered, unless too many wait."""
        self._refusals.count(refusal.quota)
        refusal.wait -= await self._held.hold(refusal.quota)

    def _quota_of(self, caller: RequestSender, path: str, address: str) -> Quota | None:
        """The quota of a caller; None where nothing is counted."""
        if not self._is_on or caller.status in UNCOUNTED:
            return None
        if caller.credential is not None:
            kind = RequestKind.CHECKS if path in CHECKS else RequestKind.REQUESTS
            return self._limiter.quota_of(caller.credential, kind)
        if path in PROBES:
            return None
        kind_of_address = AddressKind.LOGINS if path == LOGIN else AddressKind.ANONYMOUS
        return self._limiter.quota_of_address(address, kind_of_address)

    def _take(self, quota: Quota) -> None:
        wait = self._limiter.take(quota)
        if wait:
            raise RefusedByLimit(wait, quota)

    def _count_preflight(self, address: str) -> None:
        """A browser asks before a request; that is not counted as one, but as such a question."""
        if self._is_on:
            self._take(self._limiter.quota_of_address(address, AddressKind.PREFLIGHTS))

    def _check_signatures(self, path: str, address: str) -> None:
        """Refuse wrong signatures at one path, and an address that has tried unknown paths.

        Each path counts for itself: Stripe sends the events of all tenants from the same addresses,
        and the wrong secret of one must not stop the others.
        """
        self._check_failures(f"{address} {path}")
        if path not in self._accepted:
            self._check_failures(_unknown_paths(address))

    def _accept(self, path: str) -> None:
        if len(self._accepted) >= MAX_ACCEPTED:
            self._accepted.clear()
        self._accepted.add(path)

    def _check_failures(self, subject: str) -> None:
        quota = self._limiter.counted_quota_of(subject, AddressKind.FAILURES)
        if quota is None or not self._is_on:
            return
        wait = self._limiter.wait(quota)
        if wait:
            raise RefusedByLimit(wait, quota)

    def _count_failure(self, subject: str) -> None:
        if self._is_on:
            self._limiter.take(self._limiter.quota_of_address(subject, AddressKind.FAILURES))


def _unknown_paths(address: str) -> str:
    """Subject of an address's failures at addresses of webhooks that do not exist."""
    return f"{address} unknown"
