"""The buckets of this process."""

import threading
import time
from collections.abc import Callable

from projects.keys.credentials import ProjectCredential
from projects.limits.callers import AddressKind, Credential, RequestKind, limit_of, limits_of
from projects.limits.token_bucket import Headers, Limit, Quota, SharedCount, TokenBucket

MAX_QUOTAS = 20_000
"""Callers of one kind whose buckets are kept. At the next one those with full buckets are
forgotten, which changes nothing for them; if that leaves too many, all of this kind."""
IDLE_SECONDS = 120.0
"""After which a quota is dropped: its buckets are full by then."""
PRUNE_SECONDS = 30.0


class Limiter:
    """Counts the requests of every caller of this process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._quotas: dict[RequestKind | AddressKind, dict[str, Quota]] = {
            kind: {} for kind in (*RequestKind, *AddressKind)
        }
        self._checks = self._quotas[RequestKind.CHECKS]
        self._buckets: dict[str, TokenBucket] = {}
        self._prune_at = clock() + PRUNE_SECONDS

    def quota_of(self, credential: Credential, kind: RequestKind) -> Quota:
        """The quota of a caller with a valid key or token."""
        quota = self._quotas[kind].get(credential.caller_id)
        if quota is None or quota.source is not credential.tenant:  # read again: limits may differ
            limits = limits_of(credential, kind)
            return self._add(kind, credential.caller_id, limits, credential.tenant)
        return quota

    def quota_of_address(self, address: str, kind: AddressKind) -> Quota:
        """The quota of an address, or of what is counted there by itself."""
        quota = self._quotas[kind].get(address)
        return quota or self._add(kind, address, (limit_of(address, kind),))

    def counted_quota_of(self, address: str, kind: AddressKind) -> Quota | None:
        """The quota of an address; None if nothing was counted there. Nothing is stored, so looking
        at any number of addresses takes no memory."""
        return self._quotas[kind].get(address)

    @property
    def quota_count(self) -> int:
        """Callers whose buckets are kept."""
        return sum(map(len, self._quotas.values()))

    def count_check(self, credential: ProjectCredential) -> Headers | None:
        """Count a check; None if the limit does not allow it, else headers for its answer.

        For the event loop alone: it uses no lock unless a new portion of tokens is due.
        """
        quota = self._checks.get(credential.key_id)
        if quota is None or quota.source is not credential.project:
            quota = self.quota_of(credential, RequestKind.CHECKS)
        now = self._clock()
        if quota.prepaid and now < quota.renew_at:
            quota.prepaid -= 1
            return quota.shown
        with self._lock:
            return quota.shown if quota.renew(now) else None

    def take(self, quota: Quota) -> float:
        """Count a request: 0.0 if it is allowed, otherwise the seconds until one will be."""
        with self._lock:
            return quota.take(self._clock())

    def wait(self, quota: Quota) -> float:
        """The seconds until a request will be allowed, without counting one."""
        with self._lock:
            return quota.wait(self._clock())

    def collect(self, count: int) -> list[tuple[Limit, int]]:
        """Up to ``count`` limits with the tokens that were taken since the last call, those with
        the most first."""
        with self._lock:
            self._prune()
            for bucket in self._buckets.values():
                if not bucket.taken:
                    bucket.count_alone()
            used = [bucket for bucket in self._buckets.values() if bucket.taken]
            used = sorted(used, key=lambda bucket: bucket.taken, reverse=True)[:count]
            usage = [(bucket.limit, bucket.taken) for bucket in used]
            for bucket in used:
                bucket.taken = 0
        return usage

    def adopt(self, usage: list[tuple[Limit, int]], shared: dict[str, SharedCount]) -> None:
        """Adopt what all processes together have left and have taken, by subject, after ``usage``
        was reported. A subject that is missing counts alone."""
        with self._lock:
            for limit, reported in usage:
                bucket, count = self._buckets.get(limit.subject), shared.get(limit.subject)
                if bucket is not None and count is not None:
                    bucket.adopt(count, reported=reported, at=self._clock())
                elif bucket is not None:
                    bucket.count_alone()

    def _add(
        self,
        kind: RequestKind | AddressKind,
        caller_id: str,
        limits: tuple[Limit, ...],
        source: object = None,
    ) -> Quota:
        with self._lock:
            if len(self._quotas[kind]) >= MAX_QUOTAS:
                self._make_room(kind)
            quota = Quota(tuple(self._bucket(limit) for limit in limits), source)
            self._quotas[kind][caller_id] = quota
        return quota

    def _bucket(self, limit: Limit) -> TokenBucket:
        bucket = self._buckets.get(limit.subject)
        if bucket is None or bucket.limit != limit:
            bucket = self._buckets[limit.subject] = TokenBucket(limit, at=self._clock())
        return bucket

    def _make_room(self, kind: RequestKind | AddressKind) -> None:
        """Forget the callers of this kind whose buckets are full, or all if most are not. Callers
        of other kinds, who may be flooded out on purpose, keep theirs."""
        now = self._clock()
        kept = {
            caller_id: quota
            for caller_id, quota in self._quotas[kind].items()
            if any(bucket.refill(now) < bucket.size for bucket in quota.buckets)
        }
        quotas = self._quotas[kind]
        quotas.clear()
        if len(kept) <= MAX_QUOTAS // 2:
            quotas |= kept
        self._keep_used_buckets()

    def _prune(self) -> None:
        """Forget callers who have sent nothing for a while."""
        now = self._clock()
        if now < self._prune_at:
            return
        self._prune_at = now + PRUNE_SECONDS
        for quotas in self._quotas.values():
            for caller_id, quota in list(quotas.items()):
                if now - quota.buckets[0].at >= IDLE_SECONDS:
                    del quotas[caller_id]
        self._keep_used_buckets()

    def _keep_used_buckets(self) -> None:
        self._buckets = {
            bucket.limit.subject: bucket
            for quotas in self._quotas.values()
            for quota in quotas.values()
            for bucket in quota.buckets
        }


limiter = Limiter()
