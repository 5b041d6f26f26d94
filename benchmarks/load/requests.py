"""What a tenant sends for each path, and what it checks in the answer."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import orjson

from benchmarks.load.http_client import LoadAnswer, LoadClient, NoAnswer
from benchmarks.load.kinds import BATCH, LoadPath, TenantKind
from benchmarks.load.tenant_record import TenantRecord
from benchmarks.load.tenants import CALLERS, CHECKED, LoadTenant
from benchmarks.measures.intake import sign_line

LISTS = ("/api/v1/customers?limit=20", "/api/v1/payments?limit=20", "/api/v1/events?limit=20")
TRIES = 6
PAUSE = 1.0
"""Seconds before a request without a result is sent again, with the same keys."""


@dataclass(slots=True)
class TenantRequests:
    """The requests of one tenant. Each method sends one, and notes what came of it; ``due`` is
    when it should have been sent, by the clock of ``time.perf_counter``."""

    tenant: LoadTenant
    client: LoadClient
    event_secret: str
    run: str
    record: TenantRecord = field(default_factory=TenantRecord)
    entitled: list[str] = field(default_factory=list)
    """Users who have paid, and who have been allowed once."""
    count: int = 0
    """Of all requests; makes their keys different."""

    @property
    def by_path(self) -> dict[LoadPath, Callable[[float], Awaitable[None]]]:
        return {
            LoadPath.CHECK: self.check,
            LoadPath.LIST: self.list_rows,
            LoadPath.CONSUME: self.consume,
            LoadPath.USAGE: self.record_usage,
            LoadPath.WEBHOOK_IN: self.send_stripe_event,
        }

    async def check(self, due: float) -> None:
        """Ask about a user: one without a purchase, or one who has paid and stays allowed."""
        buyer = random.choice(self.entitled) if self.entitled and random.random() < 0.5 else ""  # noqa: S311
        user = buyer or f"u{random.randrange(CALLERS, CHECKED)}"  # noqa: S311
        allowed = bool(buyer) or self.tenant.kind == TenantKind.METERED
        answer = await self.send(LoadPath.CHECK, due, "GET", self.check_path(user))
        if answer is not None and answer.json()["allowed"] is not allowed:
            self.record.wrong.append(f"{user} of {self.tenant.project}: allowed is not {allowed}")

    def check_path(self, user: str) -> str:
        return f"/api/v1/entitlements/check?user_id={user}&feature={self.tenant.feature}"

    async def list_rows(self, due: float) -> None:
        path = LISTS[self.next_number() % len(LISTS)]
        await self.send(LoadPath.LIST, due, "GET", path)

    async def consume(self, due: float) -> None:
        user, number = f"u{random.randrange(CALLERS)}", self.next_number()  # noqa: S311
        body = {"user_id": user, "feature": "calls", "amount": 2, "key": f"{self.run}-{number}"}
        answer = await self.send_until_known(
            LoadPath.CONSUME, due, "/api/v1/entitlements/consume", body
        )
        if answer is not None:
            self.record.consumed[user] += answer.json()["consumed"]

    async def record_usage(self, due: float) -> None:
        """A batch of records about all callers."""
        number = self.next_number()
        records = [
            {
                "user_id": f"u{place % CALLERS}",
                "meter": "events",
                "value": place,
                "key": f"{self.run}-{number}-{place}",
            }
            for place in range(BATCH)
        ]
        answer = await self.send_until_known(
            LoadPath.USAGE, due, "/api/v1/usage", {"records": records}
        )
        if answer is not None:
            for place in range(BATCH):
                self.record.usage[f"u{place % CALLERS}"] += place

    async def send_stripe_event(self, due: float) -> None:
        """A signed event of Stripe, about the tenant's product."""
        body = orjson.dumps(
            {
                "id": f"evt_{self.run}{self.tenant.number:04d}{self.next_number():08d}",
                "object": "event",
                "api_version": "2026-10-28.endive",
                "created": int(time.time()),
                "data": {"object": {"id": self.tenant.product_stripe_id, "object": "product"}},
                "livemode": False,
                "pending_webhooks": 1,
                "request": {"id": None, "idempotency_key": None},
                "type": "product.updated",
            }
        )
        signature = sign_line(body, self.event_secret).split(b"\t")[0].decode()
        await self.send(
            LoadPath.WEBHOOK_IN,
            due,
            "POST",
            "/webhooks/stripe",
            data=body,
            headers=f"Stripe-Signature: {signature}\r\n",
        )

    def next_number(self) -> int:
        self.count += 1
        return self.count

    async def send(
        self,
        path: LoadPath,
        due: float,
        method: str,
        target: str,
        *,
        data: object = None,
        headers: str = "",
    ) -> LoadAnswer | None:
        """Send a request and measure it; None if the answer was not 2xx, which is noted."""
        key = "" if path == LoadPath.WEBHOOK_IN else self.tenant.key
        try:
            answer = await self.client.send(method, target, key=key, data=data, headers=headers)
        except NoAnswer as error:
            self.record.failed(path, error)
            return None
        if not 200 <= answer.status < 300:
            self.record.failed(path, f"{answer.status} {answer.body[:200]!r}")
            return None
        self.record.measured(path, (time.perf_counter() - due) * 1000)
        return answer

    async def send_until_known(
        self, path: LoadPath, due: float, target: str, data: object
    ) -> LoadAnswer | None:
        """Send what has keys of its own until it is answered, so that sums are exact."""
        for _ in range(TRIES):
            answer = await self.send(path, due, "POST", target, data=data)
            if answer is not None:
                return answer
            await asyncio.sleep(PAUSE)
        self.record.unknown += 1
        return None
