"""The time from the delivery of an event to the first answer that shows what has changed.

Subscriptions were canceled, or bought again, at Stripe before; their events arrive by an open loop
at a fixed rate, over all sellers in turns. Every seller's customers whose event is on its way are
checked in one request, again and again, so that a delay is exact to some
:data:`POLL_SECONDS`.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

from benchmarks import stripe_events, subscribers
from benchmarks.load.http_client import LoadClient, NoAnswer
from benchmarks.measures.processing import find_mistakes
from benchmarks.stripe_stack import FEATURE, Seller, StripeStack
from benchmarks.subscribers import Subscriber

POLL_SECONDS = 0.05
"""Added to a delay at most. Ten sellers that are asked every 10 ms are a load of their own: up to a
thousand batches of checks a second, on the cores that the events need."""
BATCH = 100
"""Customers in one check."""
PATIENCE_SECONDS = 120.0
"""After the last event; what has not been seen then is wrong."""
CHECK = "/api/v1/entitlements/check"


@dataclass(slots=True)
class Watch:
    """The customers of one seller whose change is on its way."""

    seller: Seller
    waiting: dict[str, tuple[bool, float]] = field(default_factory=dict)
    """User id to the answer that is expected, and when its event was due."""


@dataclass(slots=True)
class AnswerDelays:
    """Delays in milliseconds, and error texts."""

    milliseconds: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def percentile(self, percent: float) -> float:
        """The smallest delay that this share of all does not exceed."""
        ordered = sorted(self.milliseconds)
        place = max(0, -(-len(ordered) * percent // 100) - 1)
        return ordered[int(place)] if ordered else float("inf")


class DelayRun:
    """One open loop of events, and the checks that wait for what they say."""

    def __init__(self, stack: StripeStack, sellers: Sequence[Seller], *, rate: float) -> None:
        self.stack, self.rate = stack, rate
        self.delays = AnswerDelays()
        self._watches = [Watch(seller) for seller in sellers]
        self._is_sent = False

    def measure(self, count: int) -> AnswerDelays:
        """Change so many customers at Stripe, and send their events."""
        changes = [
            (watch, watch.seller.customers[number // len(self._watches)])
            for number, watch in zip(range(count), self._watches * count, strict=False)
        ]
        subscribers.at_once(_change, changes)
        asyncio.run(self._run(changes))
        error = self.stack.wait_until_idle()
        self.delays.wrong += [error] if error else []
        with self.stack.world.connect() as connection:
            for watch in self._watches:
                self.delays.wrong += find_mistakes(connection, watch.seller, [])
        return self.delays

    async def _run(self, changes: Sequence[tuple[Watch, Subscriber]]) -> None:
        client = LoadClient(self.stack.world.port)
        await self._check_before(client, changes)
        watching = [asyncio.create_task(self._observe(client, each)) for each in self._watches]
        begun = time.perf_counter()
        sending = []
        for number, (watch, subscriber) in enumerate(changes):
            due = begun + number / self.rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            sending.append(asyncio.create_task(self._send(client, watch, subscriber, due)))
        await asyncio.gather(*sending)
        self._is_sent = True
        await asyncio.gather(*watching)
        await client.close()

    async def _check_before(
        self, client: LoadClient, changes: Sequence[tuple[Watch, Subscriber]]
    ) -> None:
        """Nobody has told of the changes: no answer may show one."""
        for watch, subscriber in changes:
            path = f"{CHECK}?user_id={subscriber.user_id}&feature={FEATURE}"
            answer = await client.send("GET", path, key=watch.seller.key)
            if answer.json()["allowed"] is subscriber.is_active:
                self.delays.wrong.append(f"{subscriber.user_id}: {answer.body!r} before the event")

    async def _send(
        self, client: LoadClient, watch: Watch, subscriber: Subscriber, due: float
    ) -> None:
        watch.waiting[subscriber.user_id] = (subscriber.is_active, due)
        kind = "created" if subscriber.is_active else "deleted"
        body = stripe_events.build_event(f"customer.subscription.{kind}", subscriber.subscription)
        try:
            answer = await stripe_events.send_event(
                client, watch.seller.webhook_path, body, secret=self.stack.secret
            )
        except NoAnswer as error:
            self.delays.wrong.append(str(error))
            return
        if answer.status != HTTPStatus.OK:
            self.delays.wrong.append(f"an event was answered with {answer.status}")

    async def _observe(self, client: LoadClient, watch: Watch) -> None:
        """Check until everything that was sent has been seen."""
        deadline = time.perf_counter() + PATIENCE_SECONDS
        while watch.waiting or not self._is_sent:
            if watch.waiting:
                await self._check(client, watch)
            if time.perf_counter() > deadline:
                self.delays.wrong.append(f"{len(watch.waiting)} changes were never seen")
                return
            await asyncio.sleep(POLL_SECONDS)

    async def _check(self, client: LoadClient, watch: Watch) -> None:
        users = list(watch.waiting)[:BATCH]
        checks = [{"user_id": user, "feature": FEATURE} for user in users]
        try:
            answer = await client.send("POST", CHECK, key=watch.seller.key, data={"checks": checks})
        except NoAnswer as error:
            self.delays.wrong.append(str(error))
            return
        now = time.perf_counter()
        if answer.status != HTTPStatus.OK:
            self.delays.wrong.append(f"a check was answered with {answer.status}")
            return
        for user, decision in zip(users, answer.json()["data"], strict=True):
            expected, due = watch.waiting[user]
            if decision["allowed"] is expected:
                del watch.waiting[user]
                self.delays.milliseconds.append((now - due) * 1000)


def _change(change: tuple[Watch, Subscriber]) -> None:
    watch, subscriber = change
    seller = watch.seller
    subscribers.cancel_or_resubscribe(seller.account, subscriber, price=seller.price_stripe_id)
