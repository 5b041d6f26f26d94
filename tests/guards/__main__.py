"""Remove guards and see that tests notice: ``python -m tests.guards [-n N] [WORD …]``.

With words, only guards whose name or file holds one of them. ``-n``: how many at a time; without it
one for each core, two at most. ``--without-baseline`` skips the run of all their tests with every
guard in place. ``python -m tests.guards page`` writes `docs/guards.md` anew. Ends with 1 when the
removal of a guard went unnoticed.
"""

import os
import sys
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue

from tests.guards.catalog import PAGE, Guard, load, page
from tests.guards.runner import Bench, Outcome, passes_with_every_guard, running_servers

MOST_WORKERS = 2
PREFIX = "tollgate-guards-"
WIDTH = 24
"""Characters of the progress bar."""
REASON = 150
"""Characters of the reason that are shown."""


def main(arguments: Sequence[str]) -> int:
    parser = ArgumentParser(prog="python -m tests.guards")
    parser.add_argument("words", nargs="*")
    parser.add_argument("-n", type=int, default=min(os.cpu_count() or 1, MOST_WORKERS))
    parser.add_argument("--without-baseline", action="store_true")
    chosen = parser.parse_args(arguments)
    guards = load()
    if chosen.words == ["page"]:
        PAGE.write_text(page(guards))
        return 0
    guards = [guard for guard in guards if _is_chosen(guard, chosen.words)]
    if not chosen.without_baseline and not passes_with_every_guard(guards, workers=chosen.n):
        print("With every guard in place some of their tests fail.")  # noqa: T201
        return 1
    return _remove_each(guards, workers=chosen.n)


def _is_chosen(guard: Guard, words: Sequence[str]) -> bool:
    return not words or any(word in f"{guard.name} {guard.file}" for word in words)


def _remove_each(guards: Sequence[Guard], *, workers: int) -> int:
    started = time.monotonic()
    unnoticed: list[Outcome] = []
    for number, outcome in enumerate(_outcomes(guards, workers=workers), start=1):
        _print_outcome(outcome)
        _show_progress(number, len(guards))
        if not outcome.noticed:
            unnoticed.append(outcome)
    print(  # noqa: T201
        f"\r\033[K\n{len(guards)} guards removed, {len(guards) - len(unnoticed)} noticed, "
        f"{len(unnoticed)} not, in {time.monotonic() - started:.0f} s"
    )
    for outcome in unnoticed:
        _print_outcome(outcome)
    return 1 if unnoticed or not guards else 0


def _outcomes(guards: Sequence[Guard], *, workers: int) -> Iterator[Outcome]:
    """Of each guard, as they come."""
    tests = sorted({test for guard in guards for test in guard.tests})
    with _benches(workers, tests) as benches, ThreadPoolExecutor(workers) as pool:

        def try_removal(guard: Guard) -> Outcome:
            bench = benches.get()
            try:
                return bench.try_removal(guard)
            finally:
                benches.put(bench)

        waiting = [pool.submit(try_removal, guard) for guard in guards]
        try:
            for future in as_completed(waiting):
                yield future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


@contextmanager
def _benches(count: int, tests: Sequence[str]) -> Iterator["SimpleQueue[Bench]"]:
    with running_servers() as servers, tempfile.TemporaryDirectory(prefix=PREFIX) as place:
        benches: SimpleQueue[Bench] = SimpleQueue()
        own_benches = [
            Bench(Path(place), number=number, servers=servers, tests=tests)
            for number in range(count)
        ]
        for bench in own_benches:
            benches.put(bench)
        try:
            yield benches
        finally:
            for bench in own_benches:
                bench.close()


def _print_outcome(outcome: Outcome) -> None:
    word = "noticed" if outcome.noticed else "NOT NOTICED"
    reason = " ".join(outcome.reason.split())[:REASON]
    print(f"\r\033[K  {word:<12}{outcome.guard.name}\n{'':14}{reason}", flush=True)  # noqa: T201


def _show_progress(number: int, total: int) -> None:
    if sys.stdout.isatty():
        done = WIDTH * number // total
        print(f"{'█' * done}{'·' * (WIDTH - done)} {number}/{total}", end="", flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
