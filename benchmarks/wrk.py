"""The load generator `wrk`, on loopback, with a Lua script that builds the requests."""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

LUA = Path(__file__).resolve().parent / "lua"
THREADS = 2


class WrkMissing(RuntimeError):
    """`wrk` is not installed."""


@dataclass(frozen=True, slots=True)
class LoadResult:
    """Result of one run. ``bad`` counts answers other than 2xx, and socket errors."""

    per_second: float
    requests: int
    seconds: float
    bad: int
    p99_ms: float = 0.0
    """99th percentile of response times, in milliseconds."""


def check_installed() -> None:
    """Raise NoLoadGenerator with installation hints if `wrk` is missing."""
    if shutil.which("wrk") is None:
        raise WrkMissing(
            "The load generator wrk is missing: apt-get install wrk (Debian, Ubuntu), "
            "brew install wrk (macOS)."
        )


def run_wrk(
    url: str, *, script: str, arguments: list[str], seconds: float, connections: int = 32
) -> LoadResult:
    """Send requests for ``seconds``, rounded to whole seconds. Returns the result."""
    run = subprocess.run(
        [
            *("wrk", f"-t{THREADS}", f"-c{connections}", f"-d{max(1, round(seconds))}s"),
            *("--latency", "--timeout", "10s", "-s", str(LUA / script), url, "--", *arguments),
        ],
        capture_output=True,
        text=True,
        timeout=seconds + 60,
        check=True,
    )
    return parse_output(run.stdout)


def parse_output(output: str) -> LoadResult:
    """Parse the output of a run."""
    total = re.search(r"(\d+) requests in ([\d.]+)(s|m)", output)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", output)
    if total is None or rate is None:
        raise RuntimeError(f"wrk said:\n{output}")
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
    broken = re.search(
        r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", output
    )
    bad = int(refused.group(1)) if refused else 0
    bad += sum(map(int, broken.groups())) if broken else 0
    seconds = float(total.group(2)) * (60 if total.group(3) == "m" else 1)
    return LoadResult(float(rate.group(1)), int(total.group(1)), seconds, bad, _p99(output))


def _p99(output: str) -> float:
    match = re.search(r"^ *99% +([\d.]+)(us|ms|s|m)$", output, re.MULTILINE)
    if match is None:
        return 0.0
    return float(match[1]) * {"us": 0.001, "ms": 1, "s": 1000, "m": 60_000}[match[2]]
