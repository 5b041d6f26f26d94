"""Jobs and results: what the parent and the child write to each other as frames."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from common.egress_rules import PORTS

CONNECT_SECONDS = 3.0
"""For the TCP connection, over all addresses of the name."""
TOTAL_SECONDS = 15.0
"""From the arrival of the job in the child to the last byte of the response."""
MAX_IN_FLIGHT = 512
"""Jobs of a child that have no result yet; one more is answered with ``overloaded``."""
KEPT_BODY_BYTES = 1024
"""First bytes of the response's body that a result contains."""


class SendFault(StrEnum):
    """What went wrong. With a status: why the rest of the response was not read."""

    REFUSED_ADDRESS = "refused_address"
    NAME_NOT_FOUND = "name_not_found"
    CONNECT_FAILED = "connect_failed"
    CONNECT_TIMEOUT = "connect_timeout"
    TLS_FAILED = "tls_failed"
    TIMEOUT = "timeout"
    CONNECTION_LOST = "connection_lost"
    BAD_RESPONSE = "bad_response"
    RESPONSE_TOO_LARGE = "response_too_large"
    BAD_JOB = "bad_job"
    """A header or value that must not be sent: retrying does not help."""
    INTERNAL_ERROR = "internal_error"
    """A mistake of ours; the request may have arrived."""
    OVERLOADED = "overloaded"
    """No place was free, or no child runs: nothing was sent."""
    CANCELED = "canceled"
    """By the parent; the request may have arrived."""
    SENDER_LOST = "sender_lost"
    """The child ended before it wrote a result; the request may have arrived."""


class SendFailed(Exception):
    """The job ends with this fault."""

    def __init__(self, fault: SendFault, sentence: str) -> None:
        super().__init__(sentence)
        self.fault = fault
        self.sentence = sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class SendJob:
    """One POST. ``headers`` are complete but for those that the child sets itself
    (``request.OWN_HEADERS``).

    ``endpoint_id`` is the key of the pool of connections. ``allows_http`` and other ``ports`` are
    for development and tests. ``resolve`` gives addresses of names in place of a lookup; only a
    child with ``SenderOptions.allows_resolve`` accepts it.
    """

    job_id: str
    endpoint_id: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    connect_seconds: float = CONNECT_SECONDS
    total_seconds: float = TOTAL_SECONDS
    allows_http: bool = False
    ports: tuple[int, ...] | None = None
    """None: 443 and 8443."""
    resolve: Mapping[str, tuple[str, ...]] | None = None

    def to_head(self) -> dict[str, Any]:
        """The job as the head of a frame, whose body is the request's body."""
        head: dict[str, Any] = {
            "job": self.job_id,
            "endpoint": self.endpoint_id,
            "url": self.url,
            "headers": dict(self.headers),
            "connect": self.connect_seconds,
            "total": self.total_seconds,
        }
        if self.allows_http:
            head["http"] = True
        if self.ports is not None:
            head["ports"] = self.ports
        if self.resolve is not None:
            head["resolve"] = self.resolve
        return head

    @classmethod
    def from_head(cls, head: Mapping[str, Any], body: bytes) -> "SendJob":
        ports, resolve = head.get("ports"), head.get("resolve")
        return cls(
            job_id=head["job"],
            endpoint_id=head["endpoint"],
            url=head["url"],
            headers=head["headers"],
            body=body,
            connect_seconds=head["connect"],
            total_seconds=head["total"],
            allows_http=head.get("http", False),
            ports=tuple(ports) if ports is not None else None,
            resolve=None if resolve is None else {name: tuple(resolve[name]) for name in resolve},
        )

    @property
    def allowed_ports(self) -> frozenset[int]:
        return PORTS if self.ports is None else frozenset(self.ports)


@dataclass(slots=True, kw_only=True)
class SendPhases:
    """Milliseconds. ``name``, ``connect`` and ``tls`` are None on a reused connection;
    ``first_byte`` is the time from the written request to the response's first byte."""

    name: float | None = None
    connect: float | None = None
    tls: float | None = None
    first_byte: float | None = None
    total: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SendResult:
    """What became of a job.

    ``status``: of the final response, once its head has arrived completely; it counts whatever
    happens later. ``is_cut``: the rest of that response was not read, ``fault`` says why. Without a
    status, ``fault`` is what went wrong. ``sentence`` explains ``fault`` to the tenant.
    """

    job_id: str
    status: int | None = None
    fault: SendFault | None = None
    sentence: str = ""
    is_cut: bool = False
    address: str | None = None
    """The address that the connection went to."""
    is_reused: bool = False
    certificate_expires_at: int | None = None
    """Unix seconds; of a new TLS connection."""
    phases: SendPhases = field(default_factory=SendPhases)
    headers: Mapping[str, str] = field(default_factory=dict)
    """Of the response: those of ``response.KEPT_HEADERS``, in lower case, shortened."""
    body: bytes = b""
    """The first KEPT_BODY_BYTES of the response's body."""

    def to_head(self) -> dict[str, Any]:
        """The result as the head of a frame, whose body is the first bytes of the response's."""
        return {
            "job": self.job_id,
            "status": self.status,
            "fault": self.fault,
            "sentence": self.sentence,
            "cut": self.is_cut,
            "address": self.address,
            "reused": self.is_reused,
            "certificate": self.certificate_expires_at,
            "phases": self.phases,  # orjson writes dataclasses
            "headers": self.headers,
        }

    @classmethod
    def from_head(cls, head: Mapping[str, Any], body: bytes) -> "SendResult":
        fault = head["fault"]
        return cls(
            job_id=head["job"],
            status=head["status"],
            fault=SendFault(fault) if fault is not None else None,
            sentence=head["sentence"],
            is_cut=head["cut"],
            address=head["address"],
            is_reused=head["reused"],
            certificate_expires_at=head["certificate"],
            phases=SendPhases(**head["phases"]),
            headers=head["headers"],
            body=body,
        )
