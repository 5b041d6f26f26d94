"""The same cached checks by one program in Python, over HTTP and over gRPC.

Both clients are as lean as they can be: ``http.client`` with a kept connection per thread, and
grpcio with one channel and messages that are built before. The requests are the same.
"""

import http.client
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from google.protobuf import json_format

from benchmarks import api_client
from benchmarks.bench_servers import BenchDatabase
from benchmarks.measures.checks import PATH, WARM_CUSTOMERS
from rpc import descriptors

THREADS = 8
SERVICE, METHOD = "tollgate.v1.EntitlementService", "Check"
Call = Callable[[int], bool]
"""Checks a customer; whether the answer was right."""


def check_over_http(world: BenchDatabase, seconds: float) -> tuple[float, str]:
    """Answers per second, and what was wrong."""
    api_client.warm_checks(world, range(WARM_CUSTOMERS), "sso")

    def make() -> Call:
        connection = http.client.HTTPConnection("127.0.0.1", world.port, timeout=30)
        headers = {"Authorization": f"Bearer {world.shop.key}"}

        def call(user: int) -> bool:
            connection.request("GET", f"{PATH}?user_id=u{user}&feature=sso", headers=headers)
            response = connection.getresponse()
            return b'"allowed":true' in response.read() and response.status == 200

        return call

    return _measure(make, seconds)


def check_over_grpc(world: BenchDatabase, seconds: float, *, port: int) -> tuple[float, str]:
    """Answers per second, and what was wrong."""
    method = descriptors.services()[SERVICE].methods_by_name[METHOD]
    request_class = descriptors.message_class(method.input_type)
    answer_class: Any = descriptors.message_class(method.output_type)
    questions = [
        json_format.ParseDict({"user_id": f"u{user}", "feature": "sso"}, request_class())
        for user in range(WARM_CUSTOMERS)
    ]
    metadata = (("authorization", f"Bearer {world.shop.key}"),)
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub: Any = channel.unary_unary(
            f"/{SERVICE}/{METHOD}", request_class.SerializeToString, answer_class.FromString
        )

        def call(user: int) -> bool:
            answer = stub(questions[user], metadata=metadata, timeout=30)
            return bool(answer.decision.allowed)

        for user in range(WARM_CUSTOMERS):
            call(user)
        return _measure(lambda: call, seconds)


def _measure(make: Callable[[], Call], seconds: float) -> tuple[float, str]:
    deadline = time.perf_counter() + seconds
    with ThreadPoolExecutor(THREADS) as threads:
        runs = [threads.submit(_repeat, make(), deadline) for _ in range(THREADS)]
        counts = [run.result() for run in runs]
    right, wrong = (sum(each) for each in zip(*counts, strict=True))
    return right / seconds, f"{wrong} wrong answers" if wrong else ""


def _repeat(call: Call, deadline: float) -> tuple[int, int]:
    right = wrong = 0
    while time.perf_counter() < deadline:
        if call((right + wrong) % WARM_CUSTOMERS):
            right += 1
        else:
            wrong += 1
    return right, wrong
