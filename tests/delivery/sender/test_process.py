"""The child has no secrets, and no way for it to end loses a job or holds up the parent."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from delivery.sender.messages import MAX_IN_FLIGHT, SendFault
from delivery.sender.pipe_frames import MAX_BODY_BYTES, FrameRefused
from delivery.sender.process import ROOT, SenderProcess
from tests.delivery.sender.conftest import LOCAL, collect, make_job, perform
from tests.delivery.sender.receivers import Receiver, hang, receiving
from tests.waiting import PATIENCE, wait_until


@pytest.fixture
def own() -> Iterator[SenderProcess]:
    """A child of this test, which may kill it."""
    with SenderProcess(LOCAL) as process:
        yield process


@pytest.fixture
def hanging() -> Iterator[Receiver]:
    with receiving(hang) as receiver:
        yield receiver


def child_of(sender: SenderProcess) -> psutil.Process:
    assert sender.pid is not None
    return psutil.Process(sender.pid)


def test_the_child_has_an_empty_environment(
    monkeypatch: pytest.MonkeyPatch, own: SenderProcess
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://secret")
    with receiving() as receiver, SenderProcess(LOCAL) as other:
        for sender in (own, other):
            assert perform(sender, make_job(receiver.url())).status == 200
            assert Path(f"/proc/{sender.pid}/environ").read_bytes() == b""


def test_the_child_imports_no_django_and_no_driver() -> None:
    """Python names every module that the program imports, until its input ends."""
    program = subprocess.run(
        [sys.executable, "-E", "-s", "-X", "importtime", "-m", "delivery.sender"],
        cwd=ROOT,
        env={},
        input="",
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE,
    )
    modules = {line.rpartition("|")[2].strip() for line in program.stderr.splitlines()}
    assert {"h11", "uvloop", "delivery.sender.child", "common.egress_rules"} <= modules
    packages = {module.partition(".")[0] for module in modules}
    assert packages.isdisjoint({"django", "psycopg", "redis", "celery", "stripe", "environ"})
    ours = {module for module in modules if module.startswith(("common.", "config", "delivery."))}
    assert {each for each in ours if not each.startswith("delivery.sender")} == {
        "common.addresses",
        "common.egress_rules",
        "common.garbage",
    }
    assert program.stdout == ""


def test_only_512_jobs_are_in_flight(own: SenderProcess, hanging: Receiver) -> None:
    assert own.free == MAX_IN_FLIGHT
    jobs = [make_job(hanging.url(), total_seconds=300) for _ in range(MAX_IN_FLIGHT + 3)]
    own.send(*jobs)
    results = collect(own, 3)
    assert {result.fault for result in results.values()} == {SendFault.OVERLOADED}
    assert set(results) == {job.job_id for job in jobs[-3:]}
    wait_until(lambda: len(hanging.requests) == MAX_IN_FLIGHT)
    assert own.free == 0
    own.cancel(jobs[0].job_id)
    assert collect(own, 1)[jobs[0].job_id].fault == SendFault.CANCELED
    assert own.free == 1


def test_the_child_itself_refuses_a_job_too_many(
    own: SenderProcess, hanging: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("delivery.sender.process.MAX_IN_FLIGHT", MAX_IN_FLIGHT + 5)
    own.send(*(make_job(hanging.url(), total_seconds=300) for _ in range(MAX_IN_FLIGHT + 5)))
    results = collect(own, 5)
    assert {result.fault for result in results.values()} == {SendFault.OVERLOADED}


def test_a_canceled_job_ends_before_it_began(own: SenderProcess, hanging: Receiver) -> None:
    job = make_job(hanging.url(), total_seconds=300)
    own.send(job)
    own.cancel(job.job_id)
    own.cancel("job_unknown")
    assert collect(own, 1)[job.job_id].fault == SendFault.CANCELED


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_jobs_of_a_killed_child_are_lost_and_another_child_starts(
    own: SenderProcess, hanging: Receiver, number: signal.Signals
) -> None:
    jobs = [make_job(hanging.url(), total_seconds=300) for _ in range(20)]
    own.send(*jobs)
    wait_until(lambda: len(hanging.requests) == 20)
    first = child_of(own)
    first.send_signal(number)
    results = collect(own, 20)
    assert set(results) == {job.job_id for job in jobs}
    assert {result.fault for result in results.values()} == {SendFault.SENDER_LOST}
    wait_until(lambda: own.free == MAX_IN_FLIGHT)
    assert own.pid != first.pid
    with receiving() as receiver:
        assert perform(own, make_job(receiver.url())).status == 200


def test_a_job_without_a_child_is_not_sent(own: SenderProcess, hanging: Receiver) -> None:
    own.stop()
    job = make_job(hanging.url())
    own.send(job)
    assert collect(own, 1)[job.job_id].fault == SendFault.OVERLOADED
    assert (own.free, own.pid, hanging.connections) == (0, None, 0)


def test_a_child_that_is_stuck_is_replaced(hanging: Receiver) -> None:
    """It neither reads the megabytes that are sent to it nor answers."""
    with SenderProcess(LOCAL, stall_seconds=0.5) as sender:
        first = child_of(sender)
        first.suspend()
        jobs = [
            make_job(hanging.url(), total_seconds=300, body=b"x" * MAX_BODY_BYTES)
            for _ in range(100)
        ]
        sender.send(*jobs)
        results = collect(sender, 100)
        assert {result.fault for result in results.values()} == {SendFault.SENDER_LOST}
        assert not first.is_running()
        with receiving() as receiver:
            wait_until(lambda: sender.free > 0)
            assert perform(sender, make_job(receiver.url())).status == 200


def test_a_child_that_does_not_answer_in_time_is_replaced(hanging: Receiver) -> None:
    with SenderProcess(LOCAL, stall_seconds=0.3) as sender:
        child_of(sender).suspend()
        job = make_job(hanging.url(), total_seconds=0.1)
        sender.send(job)
        assert collect(sender, 1)[job.job_id].fault == SendFault.SENDER_LOST


def test_the_child_ends_with_its_parent(hanging: Receiver) -> None:
    """Even when the parent is killed in the middle of a delivery."""
    program = (
        "import sys, time\n"
        "from tests.delivery.sender.conftest import LOCAL, make_job\n"
        "from delivery.sender.process import SenderProcess\n"
        "sender = SenderProcess(LOCAL)\n"
        "sender.start()\n"
        "sender.send(make_job(sys.argv[1], total_seconds=300))\n"
        "print(sender.pid, flush=True)\n"
        "time.sleep(300)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program, hanging.url()],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env={"PATH": os.environ["PATH"]},
    )
    with parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        wait_until(lambda: len(hanging.requests) == 1)
        parent.kill()
        wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


def test_a_job_that_is_too_large_or_twice_in_flight_is_a_mistake(
    own: SenderProcess, hanging: Receiver
) -> None:
    job = make_job(hanging.url(), total_seconds=300)
    own.send(job)
    with pytest.raises(ValueError, match="in flight"):
        own.send(make_job(hanging.url()), job)
    with pytest.raises(FrameRefused):
        own.send(make_job(hanging.url()), make_job(hanging.url(), body=b"x" * 300_000))
    assert own.free == MAX_IN_FLIGHT - 1


def test_a_stopped_child_is_gone_and_starts_no_more(own: SenderProcess, hanging: Receiver) -> None:
    job = make_job(hanging.url(), total_seconds=300)
    own.send(job)
    child = child_of(own)
    own.stop()
    assert not child.is_running()
    assert [(result.job_id, result.fault) for result in own.results(0.3)] == [
        (job.job_id, SendFault.SENDER_LOST)
    ]
    assert (own.results(0.3), own.pid) == ([], None)
    own.start()
    with receiving() as receiver:
        assert perform(own, make_job(receiver.url())).status == 200


def test_nothing_to_wait_for_is_an_empty_list(sender: SenderProcess) -> None:
    assert sender.results(0.0) == []


def test_pauses_between_starts_grow() -> None:
    now = 1000.0
    with SenderProcess(LOCAL, clock=lambda: now) as sender:
        for pause in (0.1, 0.2, 0.4):
            child_of(sender).kill()
            wait_until(lambda: sender.results(0) == [] and sender.pid is None)
            now += pause - 0.01
            assert (sender.results(0), sender.free, sender.pid) == ([], 0, None)
            now += 0.02
            assert (sender.results(0), sender.free) == ([], MAX_IN_FLIGHT)
        now += 61.0  # it has lived for long
        child_of(sender).kill()
        wait_until(lambda: sender.results(0) == [] and sender.pid is None)
        now += 0.11
        assert sender.free == MAX_IN_FLIGHT
