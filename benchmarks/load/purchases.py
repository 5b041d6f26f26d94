"""A purchase from the order to the answer that the buyer may use it."""

import asyncio
import re
import time
from dataclasses import dataclass
from typing import Any

from benchmarks.load.http_client import LoadClient, NoAnswer
from benchmarks.load.kinds import LoadPath, TenantKind
from benchmarks.load.requests import TenantRequests
from benchmarks.load.tenants import RETURN_ORIGIN

GOOD_CARD = "4242424242424242"
PATIENCE = 120.0
"""Seconds within which a purchase must have reached an answer."""
POLL = 0.05
_SESSION = re.compile(r"cs_\w+")


@dataclass(slots=True)
class Purchases:
    """Purchases of one tenant's buyers. All tenants' buyers have the same names."""

    requests: TenantRequests
    sandbox: LoadClient
    count: int = 0

    async def buy(self, due: float) -> None:
        """Open a page, pay it at the sandbox, and wait for the news from Stripe's webhooks."""
        self.count += 1
        user = f"buyer-{self.requests.run}-{self.count}"
        checkout = await self._open(user, due)
        if checkout is None or not await self._pay(checkout["url"]):
            return
        self.requests.record.paid[user] = checkout["id"]
        await self._wait_until_entitled(user)

    async def _open(self, user: str, due: float) -> Any:
        order: dict[str, Any] = {"success_url": f"{RETURN_ORIGIN}/thanks"}
        path, tenant = "/api/v1/checkout", self.requests.tenant
        if tenant.kind == TenantKind.CARTS:
            order["cart"] = await self._fill_cart(user)
            path = "/api/v1/checkout/cart"
        else:
            order |= {"user_id": user, "price": tenant.prices[0]}
        answer = await self.requests.send(LoadPath.CHECKOUT, due, "POST", path, data=order)
        return None if answer is None else answer.json()

    async def _fill_cart(self, user: str) -> str:
        lines = [{"price": price} for price in self.requests.tenant.prices]
        answer = await self.requests.client.send(
            "POST",
            "/api/v1/carts",
            key=self.requests.tenant.key,
            data={"user_id": user, "lines": lines},
        )
        cart: str = answer.json().get("id", "")
        return cart

    async def _pay(self, url: str) -> bool:
        """Whether the sandbox took the money."""
        match = _SESSION.search(url)
        session = match[0] if match else ""
        buyer = {"card": GOOD_CARD, "email": "buyer@example.com", "name": "Ada Buyer"}
        try:
            answer = await self.sandbox.send(
                "POST", f"/_sandbox/checkout/{session}/pay", data=buyer
            )
        except NoAnswer as error:
            self.requests.record.failed(LoadPath.ENTITLED, f"sandbox: {error}")
            return False
        if answer.status != 200 or answer.json()["status"] != "complete":
            self.requests.record.failed(LoadPath.ENTITLED, f"sandbox: {answer.body[:200]!r}")
            return False
        return True

    async def _wait_until_entitled(self, user: str) -> None:
        requests, paid_at = self.requests, time.perf_counter()
        while time.perf_counter() - paid_at < PATIENCE:
            if await self._is_allowed(user):
                passed = time.perf_counter() - paid_at
                requests.record.measured(LoadPath.ENTITLED, passed * 1000)
                requests.entitled.append(user)
                return
            await asyncio.sleep(POLL)
        requests.record.failed(LoadPath.ENTITLED, f"not within {PATIENCE:.0f} s")

    async def _is_allowed(self, user: str) -> bool:
        requests = self.requests
        path = requests.check_path(user)
        try:
            answer = await requests.client.send("GET", path, key=requests.tenant.key)
        except NoAnswer as error:
            requests.record.failed(LoadPath.ENTITLED, error)
            return False
        return answer.status == 200 and bool(answer.json()["allowed"])
