"""One job: a connection, the request, the response, the result."""

import asyncio
import time
from functools import lru_cache

from common.egress_rules import EgressRefused, EgressRules
from delivery.sender.connection import ReceiverConnection
from delivery.sender.connector import ConnectionReport, Connector, milliseconds
from delivery.sender.idle_connections import IdleConnections
from delivery.sender.messages import SendFailed, SendFault, SendJob, SendPhases, SendResult
from delivery.sender.options import SenderOptions
from delivery.sender.request import write_request
from delivery.sender.response import ReceiverResponse
from delivery.sender.targets import parse_request_line

CANCELED = "The delivery was canceled."


class Attempts:
    """Performs jobs; keeps what they share."""

    def __init__(self, loop: asyncio.AbstractEventLoop, options: SenderOptions) -> None:
        self._networks = options.networks
        self._connector = Connector(loop, options)
        self.idle = IdleConnections()

    async def perform(self, job: SendJob) -> SendResult:
        """Send the job once and return its result; also if the task is canceled."""
        attempt = _Attempt(job)
        try:
            async with asyncio.timeout(job.total_seconds):
                await self._perform(attempt)
        except TimeoutError:
            attempt.fail(
                SendFault.TIMEOUT, f"{attempt.report.step} (limit: {job.total_seconds:g} s)"
            )
        except asyncio.CancelledError:
            attempt.fail(SendFault.CANCELED, CANCELED)
        except SendFailed as failure:
            attempt.fail(failure.fault, failure.sentence)
        except EgressRefused as refusal:
            attempt.fail(SendFault.REFUSED_ADDRESS, str(refusal))
        finally:
            if attempt.connection is not None:
                attempt.connection.abort()
        return attempt.result()

    async def _perform(self, attempt: "_Attempt") -> None:
        job = attempt.job
        rules = _rules(job.allows_http, job.allowed_ports, self._networks)
        line = parse_request_line(job.url, rules)
        request = write_request(line, headers=job.headers, body=job.body)
        connection = self.idle.take(job.endpoint_id, line.target, time.monotonic())
        if connection is not None:
            attempt.is_reused = True
            response = await attempt.exchange(connection, request)
            if response is not None and not _died_unused(response):
                self._keep(attempt)
                return
            attempt.discard()
        connection = await self._connector.connect(job, line.target, rules, attempt.report)
        await attempt.exchange(connection, request)
        self._keep(attempt)

    def _keep(self, attempt: "_Attempt") -> None:
        """Give the connection back, if nothing was odd about its response."""
        connection, response = attempt.connection, attempt.response
        if connection is None or response is None:
            return
        if response.is_complete and connection.end_cycle():
            attempt.connection = None
            self.idle.put(attempt.job.endpoint_id, connection, time.monotonic())


class _Attempt:
    """State of one job, from which a result can be made at any time."""

    __slots__ = (
        *("job", "started", "report", "connection", "response", "is_reused"),
        *("_address", "_sent_at", "_fault", "_sentence"),
    )

    def __init__(self, job: SendJob) -> None:
        self.job = job
        self.started = time.monotonic()
        self.report = ConnectionReport(SendPhases())
        self.connection: ReceiverConnection | None = None
        self.response: ReceiverResponse | None = None
        self.is_reused = False
        self._address: str | None = None
        self._sent_at = 0.0
        self._fault: SendFault | None = None
        self._sentence = ""

    async def exchange(
        self, connection: ReceiverConnection, request: bytes
    ) -> ReceiverResponse | None:
        """Send the request and wait for the end of its response; None if the connection was closed
        before the request could be written."""
        self.connection, self._address = connection, connection.address
        self.report.step = "The receiver did not complete its response in time."
        self._sent_at = time.monotonic()
        try:
            self.response = response = connection.send(request)
        except ConnectionError:
            self._fault, self._sentence = (
                SendFault.CONNECTION_LOST,
                "The receiver closed the connection before the request was sent.",
            )
            return None
        await connection.wait()
        return response

    def discard(self) -> None:
        """Forget a reused connection that died: the request goes out on a new one."""
        if self.connection is not None:
            self.connection.abort()
        self.connection = self.response = self._address = self._fault = None
        self._sentence = ""
        self.is_reused = False

    def fail(self, fault: SendFault, sentence: str) -> None:
        """End the attempt early."""
        if self.response is not None:
            self.response.end(fault, sentence)
        else:
            self._fault, self._sentence = fault, sentence

    def result(self) -> SendResult:
        response, phases = self.response, self.report.phases
        phases.total = milliseconds(time.monotonic() - self.started)
        if response is None:
            return SendResult(
                job_id=self.job.job_id,
                fault=self._fault,
                sentence=self._sentence,
                address=self._address or self.report.address,
                certificate_expires_at=self.report.certificate_expires_at,
                phases=phases,
            )
        if response.first_byte_at is not None:
            phases.first_byte = milliseconds(response.first_byte_at - self._sent_at)
        return SendResult(
            job_id=self.job.job_id,
            status=response.status,
            fault=response.fault,
            sentence=response.sentence,
            is_cut=response.status is not None and response.fault is not None,
            address=self._address,
            is_reused=self.is_reused,
            certificate_expires_at=self.report.certificate_expires_at,
            phases=phases,
            headers=response.headers,
            body=response.body,
        )


@lru_cache(maxsize=64)
def _rules(allows_http: bool, ports: frozenset[int], networks: tuple[object, ...]) -> EgressRules:
    return EgressRules(allows_http=allows_http, ports=ports, networks=networks)  # type: ignore[arg-type]


def _died_unused(response: ReceiverResponse) -> bool:
    """Whether the connection died before the first byte of the response."""
    return response.fault is SendFault.CONNECTION_LOST and response.first_byte_at is None
