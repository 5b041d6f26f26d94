"""A running child for tests, which may reach this machine."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import ip_network
from itertools import count
from typing import Any

import pytest

from delivery.sender.messages import SendJob, SendResult
from delivery.sender.options import SenderOptions
from delivery.sender.process import SenderProcess
from tests.waiting import wait_until

LOCAL = SenderOptions(
    networks=(ip_network("127.0.0.1/32"), ip_network("::1/128")), allows_resolve=True
)
_numbers = count(1)

Deliver = Callable[..., SendResult]


def make_job(url: str, **changes: Any) -> SendJob:
    """A job to this URL that may use http and any port; each is of an endpoint of its own."""
    number = next(_numbers)
    port = url.rpartition(":")[2].partition("/")[0]
    job = SendJob(
        job_id=f"job_{number}",
        endpoint_id=f"endpoint_{number}",
        url=url,
        headers={"content-type": "application/json"},
        body=b"{}",
        total_seconds=30.0,
        connect_seconds=30.0,
        allows_http=True,
        ports=(443, 80, int(port)) if port.isdecimal() else (443, 80),
    )
    return replace(job, **changes)


def collect(sender: SenderProcess, amount: int) -> dict[str, SendResult]:
    """So many results, by job."""
    results: dict[str, SendResult] = {}

    def has_all() -> bool:
        results.update((result.job_id, result) for result in sender.results(0.1))
        return len(results) >= amount

    wait_until(has_all, lambda: f"{amount} results, not {results}")
    return results


def perform(sender: SenderProcess, job: SendJob) -> SendResult:
    sender.send(job)
    return collect(sender, 1)[job.job_id]


@pytest.fixture(scope="module")
def sender() -> Iterator[SenderProcess]:
    with SenderProcess(LOCAL) as process:
        yield process


@pytest.fixture
def deliver(sender: SenderProcess) -> Deliver:
    """Send one job to the URL, and return its result."""

    def deliver(url: str, **changes: Any) -> SendResult:
        return perform(sender, make_job(url, **changes))

    return deliver
