"""A pytest plugin that collects tests once and then runs some of them, each time in a fork.

Starting pytest with all of the product takes much longer than most tests. The process that has
collected them reads requests, one JSON object a line: the file that was altered, its text before
and after, and the ids of the tests. A forked child gets the altered functions
(:mod:`tests.guards.swap`) and runs the tests up to the first that fails. ``GUARDS_PIPES`` names the
descriptors of the requests and of the answers.
"""

import json
import os
from collections.abc import Sequence
from typing import Any

import pytest

from tests.guards.swap import NeedsFreshProcess, swap

PIPES = "GUARDS_PIPES"
LENGTH = 400
"""Characters of a reason."""

_failures: list[str] = []


def pytest_runtestloop(session: pytest.Session) -> bool:
    incoming, outgoing = map(int, os.environ[PIPES].split(","))
    with os.fdopen(incoming) as requests, os.fdopen(outgoing, "w") as answers:
        print(json.dumps({"ready": len(session.items)}), file=answers, flush=True)
        for line in requests:
            print(json.dumps(_in_child(session, json.loads(line))), file=answers, flush=True)
    return True


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.failed:
        crash = getattr(report.longrepr, "reprcrash", None)
        message = crash.message if crash is not None else str(report.longrepr)
        _failures.append(json.dumps({report.when: f"{report.nodeid}: {message[:LENGTH]}"}))


def _in_child(session: pytest.Session, request: dict[str, Any]) -> dict[str, str]:
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        _answer(session, request, writing)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        output = pipe.read()
    os.waitpid(child, 0)
    answer: dict[str, str] = json.loads(output) if output else {"broken": "the process ended"}
    return answer


def _answer(session: pytest.Session, request: dict[str, Any], writing: int) -> None:
    """Run the tests and end this process, whatever happens."""
    try:
        swap(request["file"], before=request["before"], after=request["after"])
        answer = _run(_chosen(session, request["tests"]))
    except NeedsFreshProcess as reason:
        answer = {"fresh": str(reason)}
    except BaseException as error:  # noqa: BLE001  # the child must end here
        answer = {"broken": repr(error)[:LENGTH]}
    os.write(writing, json.dumps(answer).encode())
    os._exit(0)


def _run(items: Sequence[pytest.Item]) -> dict[str, str]:
    for number, item in enumerate(items):
        following = items[number + 1] if number + 1 < len(items) else None
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if _failures:
            failure: dict[str, str] = json.loads(_failures[0])
            return failure
    return {"passed": f"{len(items)} tests"} if items else {"broken": "there are no such tests"}


def _chosen(session: pytest.Session, tests: Sequence[str]) -> list[pytest.Item]:
    return [item for item in session.items if any(_is_of(item.nodeid, test) for test in tests)]


def _is_of(item: str, test: str) -> bool:
    return item == test or item.startswith((f"{test}[", f"{test}::"))
