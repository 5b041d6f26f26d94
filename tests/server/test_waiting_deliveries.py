"""Events that wait to be stored: in turns by endpoint, and not too many."""

import asyncio
from operator import attrgetter

import pytest

from billing.models import StripeEndpoint
from common.errors import Unavailable
from common.request_threads import Threads
from config.server.request_batches import MAX_BATCH, MAX_RUNNING, MAX_WAITING, RequestBatches
from tests.server.test_delivery_batches import body_of, open_delivery
from tests.server.test_threads import COUNT, SlowJobs, play, wait_for_start
from webhooks.fast_path import take_in_together
from webhooks.models import InboundEvent
from webhooks.services.intake import Delivery

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("stripe")]


def batches_on(threads: Threads) -> RequestBatches[Delivery]:
    return RequestBatches(
        threads, take_in_together, owner=attrgetter("endpoint.pk"), lane="deliveries"
    )


async def occupy(threads: Threads) -> list[SlowJobs]:
    """Occupy all threads."""
    slow = [SlowJobs(threads, str(lane), 1) for lane in range(COUNT)]
    for jobs in slow:
        await wait_for_start(jobs, 1)
    return slow


def test_when_too_many_wait_the_next_are_refused_and_all_others_are_stored(
    endpoint: StripeEndpoint,
) -> None:
    count = MAX_WAITING + MAX_RUNNING * MAX_BATCH + 10

    async def story(threads: Threads) -> int:
        slow = await occupy(threads)
        batches = batches_on(threads)
        deliveries = [open_delivery(endpoint, body_of(f"evt_{n}")) for n in range(count)]
        waiting = [asyncio.ensure_future(batches.answer(delivery)) for delivery in deliveries]
        await asyncio.sleep(0.01)
        for jobs in slow:
            await jobs.end()
        results = await asyncio.gather(*waiting, return_exceptions=True)
        refused = [result for result in results if not isinstance(result, bytes)]
        assert all(isinstance(result, Unavailable) for result in refused)
        return len(refused)

    number_refused = play(story)
    assert number_refused >= 10
    assert InboundEvent.objects.count() == count - number_refused


def test_endpoints_take_turns(endpoint: StripeEndpoint) -> None:
    second = StripeEndpoint.objects.create(account=endpoint.account, token="second")

    async def story(threads: Threads) -> None:
        slow = await occupy(threads)
        batches = batches_on(threads)
        flood = [
            asyncio.ensure_future(batches.answer(open_delivery(endpoint, body_of(f"evt_{number}"))))
            for number in range(10 * MAX_BATCH)
        ]
        await asyncio.sleep(0.01)
        one = asyncio.ensure_future(batches.answer(open_delivery(second, body_of("evt_second"))))
        await asyncio.sleep(0.01)
        for jobs in slow:
            await jobs.end()
        assert await one
        assert sum(each.done() for each in flood) < 8 * MAX_BATCH
        assert all(await asyncio.gather(*flood))

    play(story)
