"""The child process: reads jobs from standard input, writes results to standard output.

It never queues: a job that finds MAX_IN_FLIGHT others in flight is refused at once. When standard
input closes, the parent is gone, and the process ends without finishing anything: the parent's rows
know what is open.
"""

import asyncio
import os
import resource
import signal
import sys
import time
import traceback
from functools import partial
from typing import Any, BinaryIO, cast

import uvloop

from common import garbage
from delivery.sender.attempt import CANCELED, Attempts
from delivery.sender.messages import MAX_IN_FLIGHT, SendFault, SendJob, SendResult
from delivery.sender.options import SenderOptions
from delivery.sender.pipe_frames import FrameReader, FrameRefused, encode_frame

OPEN_FILES = 4096
MAX_UNREAD_BYTES = 16 * 1024 * 1024
"""Results that the parent has not read. A parent that lets more pile up is not ours."""
SWEEP_SECONDS = 10.0
"""Between two looks for idle connections that are too old."""
RESOLVER_OPTIONS = "timeout:2 attempts:2"
"""Of glibc: a name server that is silent holds a lookup thread for seconds, not half a minute."""


class Child(asyncio.Protocol):
    """Reads frames of the parent, performs jobs, writes frames back."""

    def __init__(self, loop: asyncio.AbstractEventLoop, options: SenderOptions) -> None:
        self._loop = loop
        self._reader = FrameReader()
        self._tasks: dict[str, asyncio.Task[SendResult]] = {}
        self._attempts = Attempts(loop, options)
        self._unwritten: list[bytes] = []
        self._output: asyncio.WriteTransport | None = None

    async def run(self, jobs: BinaryIO, results: BinaryIO) -> None:
        """Serve until the process ends."""
        transport, _ = await self._loop.connect_write_pipe(_OutputProtocol, results)
        self._output = transport
        await self._loop.connect_read_pipe(lambda: self, jobs)
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            self._attempts.idle.close_old(time.monotonic())

    def data_received(self, data: bytes) -> None:
        try:
            for head, body in self._reader.feed(data):
                self._handle(head, body)
        except (FrameRefused, KeyError, TypeError) as error:
            sys.stderr.write(f"delivery.sender: the parent wrote no frame of ours: {error!r}\n")
            os._exit(1)

    def eof_received(self) -> None:
        os._exit(0)

    def connection_lost(self, error: Exception | None) -> None:
        os._exit(0)

    def _handle(self, head: dict[str, Any], body: bytes) -> None:
        job_id = head.get("cancel")
        if job_id is not None:
            if task := self._tasks.get(job_id):
                task.cancel()
            return
        job = SendJob.from_head(head, body)
        if len(self._tasks) >= MAX_IN_FLIGHT:
            self._refuse(job, SendFault.OVERLOADED, f"{MAX_IN_FLIGHT} requests are in flight.")
        elif job.job_id in self._tasks:
            self._refuse(job, SendFault.BAD_JOB, "A job with this id is in flight.")
        else:
            task = self._loop.create_task(self._attempts.perform(job))
            self._tasks[job.job_id] = task
            task.add_done_callback(partial(self._finish, job.job_id))

    def _refuse(self, job: SendJob, fault: SendFault, sentence: str) -> None:
        self._write(SendResult(job_id=job.job_id, fault=fault, sentence=sentence))

    def _finish(self, job_id: str, task: asyncio.Task[SendResult]) -> None:
        del self._tasks[job_id]
        if task.cancelled():  # before it began
            result = SendResult(job_id=job_id, fault=SendFault.CANCELED, sentence=CANCELED)
        elif error := task.exception():
            traceback.print_exception(error)
            result = SendResult(
                job_id=job_id,
                fault=SendFault.INTERNAL_ERROR,
                sentence="Our sender failed; its log has the reason.",
            )
        else:
            result = task.result()
        self._write(result)

    def _write(self, result: SendResult) -> None:
        """Write the result at the end of this turn of the loop, together with others."""
        if not self._unwritten:
            self._loop.call_soon(self._flush)
        self._unwritten.append(encode_frame(result.to_head(), result.body))

    def _flush(self) -> None:
        assert self._output is not None
        self._output.write(b"".join(self._unwritten))
        self._unwritten.clear()
        if self._output.get_write_buffer_size() > MAX_UNREAD_BYTES:
            sys.stderr.write("delivery.sender: the parent does not read results\n")
            os._exit(1)


class _OutputProtocol(asyncio.BaseProtocol):
    def connection_lost(self, error: Exception | None) -> None:
        os._exit(0)


def main(arguments: list[str]) -> None:
    """Serve as the child. The only argument: SenderOptions as text."""
    options = SenderOptions.from_text(arguments[0]) if arguments else SenderOptions()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when a terminal asks to end
    os.environ["RES_OPTIONS"] = RESOLVER_OPTIONS
    _raise_file_limit()
    results = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what a library prints must not end up among the frames
    jobs = cast(BinaryIO, os.fdopen(0, "rb", buffering=0))
    garbage.begin_serving()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        loop = runner.get_loop()
        runner.run(Child(loop, options).run(jobs, cast(BinaryIO, results)))


def _raise_file_limit() -> None:
    """One open file per socket: 512 in flight, 512 idle, and some."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < limit:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
