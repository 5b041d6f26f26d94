"""New connections: resolve the name, check all of its addresses, connect to one, shake hands."""

import asyncio
import errno
import os
import socket
import ssl
import time
from dataclasses import dataclass

from common.egress_rules import EgressRefused, EgressRules, check_addresses
from delivery.sender.connection import ReceiverConnection
from delivery.sender.messages import SendFailed, SendFault, SendJob, SendPhases
from delivery.sender.names import NameResolver
from delivery.sender.options import SenderOptions
from delivery.sender.targets import SendTarget

MAX_ADDRESSES = 4
"""Addresses of a name that are tried."""
OUR_SHORTAGES = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL}
)
"""Errors of a connect that are not the receiver's fault."""
HANDSHAKE_SECONDS = 3600.0
"""Never reached: the job's deadline ends a handshake. uvloop's own limit would be 60 s."""


@dataclass(slots=True)
class ConnectionReport:
    """How far a connection has come; a deadline may end it anywhere."""

    phases: SendPhases
    step: str = "The job did not begin in time."
    address: str | None = None
    certificate_expires_at: int | None = None


class Connector:
    """Opens connections to addresses that the rules allow."""

    def __init__(self, loop: asyncio.AbstractEventLoop, options: SenderOptions) -> None:
        self._loop = loop
        self._options = options
        self._names = NameResolver(loop)
        self._tls = ssl.create_default_context(cafile=options.ca_file)
        self._tls.set_alpn_protocols(["http/1.1"])

    async def connect(
        self, job: SendJob, target: SendTarget, rules: EgressRules, report: ConnectionReport
    ) -> ReceiverConnection:
        """A new connection to the target. Raises SendFailed."""
        report.step = f"The name {target.host} was not resolved in time."
        started = time.monotonic()
        addresses = await self._addresses(job, target, rules)
        report.phases.name = milliseconds(time.monotonic() - started)
        report.step = f"There was no connection to {target.host} in time."
        started = time.monotonic()
        sock, address = await self._connect_to_one(addresses, target.port, job.connect_seconds)
        report.phases.connect = milliseconds(time.monotonic() - started)
        report.address = address
        connection = ReceiverConnection(self._loop, target, address, time.monotonic())
        try:
            await self._open(connection, sock, report)
        except BaseException:
            connection.abort()
            sock.close()
            raise
        return connection

    async def _addresses(self, job: SendJob, target: SendTarget, rules: EgressRules) -> list[str]:
        """All addresses of the host, all of them checked. Raises SendFailed."""
        if job.resolve is not None:
            if not self._options.allows_resolve:
                raise SendFailed(SendFault.BAD_JOB, "This sender resolves names itself.")
            addresses = list(job.resolve.get(target.host, ()))
        elif target.is_literal:
            addresses = [target.host]
        else:
            addresses = await self._names.resolve(target.host)
        if not addresses:
            raise SendFailed(
                SendFault.NAME_NOT_FOUND, f"The name {target.host} has no address in the DNS."
            )
        try:
            check_addresses(target.host, addresses, rules)
        except EgressRefused as refusal:
            raise SendFailed(SendFault.REFUSED_ADDRESS, str(refusal)) from None
        return addresses[:MAX_ADDRESSES]

    async def _connect_to_one(
        self, addresses: list[str], port: int, seconds: float
    ) -> tuple[socket.socket, str]:
        """Connect to the first address that accepts. Each gets an equal part of the time that
        remains, so that one that is silent leaves time for the next. Raises SendFailed."""
        deadline = time.monotonic() + seconds
        failure = SendFailed(SendFault.CONNECT_FAILED, "There was no address to connect to.")
        for index, address in enumerate(addresses):
            part = (deadline - time.monotonic()) / (len(addresses) - index)
            try:
                return await self._connect_socket(address, port, part), address
            except TimeoutError:
                failure = SendFailed(
                    SendFault.CONNECT_TIMEOUT,
                    f"{address} did not accept a connection on port {port} in time.",
                )
            except OSError as error:
                if error.errno in OUR_SHORTAGES:
                    raise SendFailed(
                        SendFault.OVERLOADED, "Our sender has no socket left."
                    ) from error
                reason = os.strerror(error.errno) if error.errno else type(error).__name__
                failure = SendFailed(
                    SendFault.CONNECT_FAILED,
                    f"{address} does not accept connections on port {port}: {reason}.",
                )
        raise failure

    async def _connect_socket(self, address: str, port: int, seconds: float) -> socket.socket:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            async with asyncio.timeout(seconds):
                await self._loop.sock_connect(sock, (address, port))
        except BaseException:
            sock.close()
            raise
        return sock

    async def _open(
        self, connection: ReceiverConnection, sock: socket.socket, report: ConnectionReport
    ) -> None:
        """Hand the socket to the connection, by TLS if the target says so. Raises SendFailed."""
        target = connection.target
        if not target.is_tls:
            await self._loop.create_connection(lambda: connection, sock=sock)
            return
        report.step = f"{target.host} did not complete the TLS handshake in time."
        started = time.monotonic()
        try:
            transport, _ = await self._loop.create_connection(
                lambda: connection,
                sock=sock,
                ssl=self._tls,
                server_hostname=target.server_name,
                ssl_handshake_timeout=HANDSHAKE_SECONDS,
            )
        except ssl.SSLCertVerificationError as error:
            raise SendFailed(
                SendFault.TLS_FAILED,
                f"The certificate of {target.host} is not valid: {error.verify_message}.",
            ) from error
        except OSError as error:
            reason = getattr(error, "reason", None) or "the connection was closed"
            raise SendFailed(
                SendFault.TLS_FAILED, f"The TLS handshake with {target.host} failed: {reason}."
            ) from error
        report.phases.tls = milliseconds(time.monotonic() - started)
        certificate = transport.get_extra_info("peercert") or {}
        if expires := certificate.get("notAfter"):
            report.certificate_expires_at = ssl.cert_time_to_seconds(expires)


def milliseconds(seconds: float) -> float:
    """Rounded to tenths."""
    return round(seconds * 1000, 1)
