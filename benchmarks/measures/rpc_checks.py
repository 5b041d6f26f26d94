"""The same cached check over HTTP and over gRPC, by one program (`h2load`), with 32 in flight.

HTTP/1.1 has one request in flight per connection. A client of gRPC has one connection for all its
calls; some have several, and a proxy may have one for each call. So gRPC is measured three times.
"""

from pathlib import Path
from typing import NamedTuple

from google.protobuf import json_format

from benchmarks import api_client, h2load
from benchmarks.bench_servers import BenchDatabase
from benchmarks.measures.checks import PATH
from benchmarks.stripe_stack import cpu_seconds
from benchmarks.wrk import LoadResult
from devtools.stack.program import Program
from rpc import descriptors

IN_FLIGHT = 32
CONNECTIONS = (1, 8, IN_FLIGHT)
"""Of the measurements of gRPC."""
SERVICE, METHOD = "tollgate.v1.EntitlementService", "Check"
WARM_SECONDS = 1


class CheckCost(NamedTuple):
    load: LoadResult
    cpu: float
    """Microseconds of the server's processor time per check, both of user and of system."""


def check_over_http(world: BenchDatabase, server: Program, seconds: float) -> CheckCost:
    api_client.warm_checks(world, range(1), "sso")
    url = f"{world.url}{PATH}?user_id=u0&feature=sso"
    return _measure(url, world, server, seconds, connections=IN_FLIGHT)


def check_over_grpc(
    world: BenchDatabase,
    server: Program,
    seconds: float,
    *,
    port: int,
    connections: int,
    at: Path,
) -> CheckCost:
    """``at``: a folder for the message."""
    url = f"http://127.0.0.1:{port}/{SERVICE}/{METHOD}"
    body = at / "check.grpc"
    at.mkdir(exist_ok=True)
    body.write_bytes(_message())
    return _measure(url, world, server, seconds, connections=connections, body=body)


def _message() -> bytes:
    """The question with gRPC's prefix: not compressed, and its length."""
    method = descriptors.services()[SERVICE].methods_by_name[METHOD]
    request_class = descriptors.message_class(method.input_type)
    values = {"user_id": "u0", "feature": "sso"}
    data = json_format.ParseDict(values, request_class()).SerializeToString()
    return b"\0" + len(data).to_bytes(4) + data


def _measure(
    url: str,
    world: BenchDatabase,
    server: Program,
    seconds: float,
    *,
    connections: int,
    body: Path | None = None,
) -> CheckCost:
    headers = {"authorization": f"Bearer {world.shop.key}"}
    if body is not None:
        headers |= {"content-type": "application/grpc", "te": "trailers"}

    def run(duration: float) -> LoadResult:
        return h2load.run_h2load(
            url,
            headers=headers,
            seconds=duration,
            connections=connections,
            calls=IN_FLIGHT // connections,
            body=body,
        )

    run(WARM_SECONDS)
    before = cpu_seconds(server)
    load = run(seconds)
    return CheckCost(load, (cpu_seconds(server) - before) / load.requests * 1e6)
