"""The parent's end: starts the child, hands over jobs, collects results, replaces a lost child."""

import fcntl
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from delivery.sender.messages import MAX_IN_FLIGHT, SendFault, SendJob, SendResult
from delivery.sender.options import SenderOptions
from delivery.sender.pipe_frames import FrameReader, FrameRefused, encode_frame

ROOT = Path(__file__).resolve().parents[2]
STALL_SECONDS = 10.0
"""A child that reads nothing for so long, or is so late with a result, is replaced."""
CHECK_SECONDS = 0.2
"""Between two looks for late results."""
PIPE_BYTES = 1024 * 1024
READ_BYTES = 256 * 1024
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 30.0
"""Before a lost child is started again; doubled each time."""
STABLE_SECONDS = 60.0
"""After a life of this length, the pause begins anew."""


class SenderProcess:
    """A child that sends requests. For one thread; no call blocks but ``results``, and that one no
    longer than its timeout.

    Every job of ``send`` gets exactly one result. If the child ends, the jobs in flight get
    ``sender_lost``, and the next call after a pause starts another one.
    """

    def __init__(
        self,
        options: SenderOptions | None = None,
        *,
        stall_seconds: float = STALL_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._options = options or SenderOptions()
        self._stall_seconds = stall_seconds
        self._clock = clock
        self._child: _Pipes | None = None
        self._in_flight: dict[str, float] = {}
        """When each job must have its result, by the clock."""
        self._ready: list[SendResult] = []
        self._started_at = self._restart_at = self._check_at = 0.0
        self._pause = FIRST_PAUSE_SECONDS
        self._is_stopped = True

    def start(self) -> None:
        """Start the child. Raises OSError."""
        self._is_stopped = False
        if self._child is None:
            self._child = _Pipes(self._options, self._clock)
            self._started_at = self._clock()

    @property
    def pid(self) -> int | None:
        """Of the child, if there is one."""
        return self._child.process.pid if self._child is not None else None

    @property
    def free(self) -> int:
        """Jobs that may be sent now; none while there is no child."""
        self._supervise()
        return MAX_IN_FLIGHT - len(self._in_flight) if self._child is not None else 0

    def send(self, *jobs: SendJob) -> None:
        """Hand over the jobs. Those that find no place get the result ``overloaded``.

        Raises FrameRefused for a job that is too large, and ValueError for an id that is in flight;
        then none of the jobs is sent.
        """
        frames = [(job, encode_frame(job.to_head(), job.body)) for job in jobs]
        ids = {job.job_id for job in jobs}
        if len(ids) < len(jobs) or not ids.isdisjoint(self._in_flight):
            raise ValueError("A job with the same id is in flight.")
        self._supervise()
        now = self._clock()
        for job, frame in frames:
            if self._child is None or len(self._in_flight) >= MAX_IN_FLIGHT:
                sentence = "No place is free." if self._child else "No sender process runs."
                self._end(job.job_id, SendFault.OVERLOADED, sentence)
            else:
                self._in_flight[job.job_id] = now + job.total_seconds + self._stall_seconds
                self._child.unwritten += frame
        self._write()

    def cancel(self, job_id: str) -> None:
        """Ask the child to end the job; its result follows, ``canceled`` or another."""
        if job_id in self._in_flight and self._child is not None:
            self._child.unwritten += encode_frame({"cancel": job_id})
            self._write()

    def results(self, timeout: float) -> list[SendResult]:
        """Results that have arrived; waits up to ``timeout`` seconds for the first one."""
        deadline = time.monotonic() + timeout
        while True:
            self._exchange(0.0)
            self._supervise()
            if self._ready:
                ready, self._ready = self._ready, []
                return ready
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return []
            self._exchange(min(remaining, 0.5))

    def stop(self) -> None:
        """End the child; jobs in flight get ``sender_lost``."""
        self._is_stopped = True
        if self._child is not None:
            self._lose("The sender was stopped.")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _supervise(self) -> None:
        """Replace a child that is stuck; start one again when its pause is over."""
        now = self._clock()
        if self._child is None:
            if not self._is_stopped and now >= self._restart_at:
                self._restart(now)
        elif now - self._child.progress_at > self._stall_seconds and self._child.unwritten:
            self._lose("The sender process did not read its jobs.")
        elif now >= self._check_at:
            self._check_at = now + CHECK_SECONDS
            if any(now > overdue_at for overdue_at in self._in_flight.values()):
                self._lose("The sender process did not answer in time.")

    def _restart(self, now: float) -> None:
        try:
            self.start()
        except OSError:
            self._restart_at = now + self._next_pause()

    def _next_pause(self) -> float:
        pause, self._pause = self._pause, min(self._pause * 2, LONGEST_PAUSE_SECONDS)
        return pause

    def _exchange(self, timeout: float) -> None:
        """Write and read what is possible; wait up to ``timeout`` seconds for it."""
        if self._child is None:
            time.sleep(min(timeout, FIRST_PAUSE_SECONDS))
            return
        can_read = self._child.wait(timeout)
        self._write()
        if can_read and self._child is not None:
            self._read(self._child)

    def _read(self, child: "_Pipes") -> None:
        try:
            data = os.read(child.results, READ_BYTES)
            if not data:
                self._lose("The sender process ended.")
                return
            self._take(child.reader.feed(data))
        except BlockingIOError:
            return
        except (OSError, FrameRefused, KeyError, TypeError, ValueError) as error:
            self._lose(f"The sender process wrote nonsense: {type(error).__name__}.")

    def _take(self, frames: Iterable[tuple[dict[str, object], bytes]]) -> None:
        for head, body in frames:
            result = SendResult.from_head(head, body)
            if self._in_flight.pop(result.job_id, None) is not None:
                self._ready.append(result)

    def _write(self) -> None:
        if self._child is not None and not self._child.write():
            self._read_rest(self._child)
            self._lose("The sender process ended.")

    def _read_rest(self, child: "_Pipes") -> None:
        """Results that the child wrote before it ended count."""
        try:
            while data := os.read(child.results, READ_BYTES):
                self._take(child.reader.feed(data))
        except (OSError, FrameRefused, KeyError, TypeError, ValueError):
            return

    def _lose(self, sentence: str) -> None:
        """Kill the child; every job in flight gets its result."""
        assert self._child is not None
        self._child.close()
        self._child = None
        now = self._clock()
        if now - self._started_at > STABLE_SECONDS:
            self._pause = FIRST_PAUSE_SECONDS
        self._restart_at = now + self._next_pause()
        for job_id in list(self._in_flight):
            self._end(job_id, SendFault.SENDER_LOST, sentence)
        self._in_flight.clear()

    def _end(self, job_id: str, fault: SendFault, sentence: str) -> None:
        self._ready.append(SendResult(job_id=job_id, fault=fault, sentence=sentence))


class _Pipes:
    """A running child and both pipes, which never block."""

    def __init__(self, options: SenderOptions, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.process = subprocess.Popen(
            [sys.executable, "-E", "-s", "-m", "delivery.sender", options.to_text()],
            cwd=ROOT,
            env={},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.jobs, self.results = self.process.stdin.fileno(), self.process.stdout.fileno()
        for pipe in (self.jobs, self.results):
            os.set_blocking(pipe, False)
            _enlarge(pipe)
        self.reader = FrameReader()
        self.unwritten = bytearray()
        self.progress_at = self._clock()
        """When the child last read something, or had nothing to read."""

    def wait(self, timeout: float) -> bool:
        """Whether there is something to read, or the child has ended."""
        poll = select.poll()
        poll.register(self.results, select.POLLIN)
        if self.unwritten:
            poll.register(self.jobs, select.POLLOUT)
        return any(pipe == self.results for pipe, _ in poll.poll(timeout * 1000))

    def write(self) -> bool:
        """Write as much as the pipe takes; false if the child has ended."""
        try:
            while self.unwritten:
                written = os.write(self.jobs, self.unwritten)
                del self.unwritten[:written]
                self.progress_at = self._clock()
        except BlockingIOError:
            return True
        except BrokenPipeError:
            return False
        self.progress_at = self._clock()
        return True

    def close(self) -> None:
        """Kill the child and forget it."""
        self.process.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        self.process.wait()


def _enlarge(pipe: int) -> None:
    """Let the pipe hold a batch of jobs; a system that refuses leaves it as it is."""
    try:
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    except (OSError, AttributeError):
        return
