"""The load generator `h2load`, on loopback: one program for HTTP/1.1 and HTTP/2."""

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from benchmarks.wrk import LoadResult


class H2loadMissing(RuntimeError):
    """`h2load` is not installed."""


def check_installed() -> None:
    """Raise H2loadMissing with installation hints if `h2load` is missing."""
    if shutil.which("h2load") is None:
        raise H2loadMissing(
            "The load generator h2load is missing: apt-get install nghttp2-client (Debian, "
            "Ubuntu), brew install nghttp2 (macOS)."
        )


def run_h2load(
    url: str,
    *,
    headers: Mapping[str, str],
    seconds: float,
    connections: int,
    calls: int,
    body: Path | None = None,
) -> LoadResult:
    """Send one request over and over: over HTTP/2 with ``calls`` in flight per connection if it has
    a body, over HTTP/1.1 if it has none."""
    kind = ["--h1"] if body is None else [f"--data={body}", f"--max-concurrent-streams={calls}"]
    run = subprocess.run(
        [
            *("h2load", f"--duration={max(1, round(seconds))}", f"--clients={connections}", *kind),
            *(f"--header={name}: {value}" for name, value in headers.items()),
            url,
        ],
        capture_output=True,
        text=True,
        timeout=seconds + 60,
        check=True,
    )
    return parse_output(run.stdout)


def parse_output(output: str) -> LoadResult:
    """Parse the output of a run."""
    rate = re.search(r"finished in ([\d.]+)(ms|s), ([\d.]+) req/s", output)
    done = re.search(r"requests: .* (\d+) done, .* (\d+) failed, (\d+) errored", output)
    codes = re.search(r"status codes: (\d+) 2xx", output)
    data = re.search(r"\((\d+)\) data", output)
    if rate is None or done is None or codes is None or data is None:
        raise RuntimeError(f"h2load said:\n{output}")
    answered = int(codes[1])
    # A refused call of gRPC has the status 200, too, but no message.
    good = answered if int(data[1]) > answered else 0
    seconds = float(rate[1]) / (1000 if rate[2] == "ms" else 1)
    return LoadResult(float(rate[3]), answered, seconds, int(done[1]) - good + int(done[3]))
