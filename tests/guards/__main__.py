"""Remove guards and see that tests notice: ``python -m tests.guards [WORD …]``.

With words, only guards whose name or file holds one of them. ``python -m tests.guards page`` writes
`docs/guards.md` anew. Ends with 1 when the removal of a guard went unnoticed.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.guards.catalog import PAGE, ROOT, Guard, load, page

PASSED, FAILED = 0, 1
"""pytest's exit codes for "every test passed" and "some test failed"."""
TIME_LIMIT_SECONDS = 600
WIDTH = 24
"""Characters of the progress bar."""


def main(arguments: Sequence[str]) -> int:
    guards = load()
    if list(arguments) == ["page"]:
        PAGE.write_text(page(guards))
        return 0
    chosen = [guard for guard in guards if _is_chosen(guard, arguments)]
    with tempfile.TemporaryDirectory(prefix="tollgate-guards-") as name:
        copy = Path(name) / "code"
        _copy_code(copy)
        return _run(chosen, copy)


def _is_chosen(guard: Guard, words: Sequence[str]) -> bool:
    return not words or any(word in f"{guard.name} {guard.file}" for word in words)


def _copy_code(copy: Path) -> None:
    """The files that git knows, as they are in the working tree."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        source, target = ROOT / name, copy / name
        if source.is_file() and not source.is_symlink():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)


def _run(guards: Sequence[Guard], copy: Path) -> int:
    started = time.monotonic()
    tests = {test for guard in guards for test in guard.tests}
    if _pytest(sorted(tests), copy) != PASSED:
        print("With every guard in place some of their tests fail: see pytest.")  # noqa: T201
        return 1
    outcomes: dict[str, str] = {}
    for number, guard in enumerate(guards):
        _show(number, len(guards), guard.name)
        outcomes[guard.name] = _outcome(guard, copy)
        print(f"\r\033[K  {outcomes[guard.name]:<12}{guard.name}", flush=True)  # noqa: T201
    unnoticed = [name for name, outcome in outcomes.items() if outcome != "noticed"]
    print(  # noqa: T201
        f"\n{len(guards)} guards removed, {len(guards) - len(unnoticed)} noticed, "
        f"{len(unnoticed)} not, in {time.monotonic() - started:.0f} s"
    )
    return 1 if unnoticed or not guards else 0


def _outcome(guard: Guard, copy: Path) -> str:
    """``noticed``, or what is wrong."""
    if guard.count(copy) != 1:
        return "not found"
    before = guard.remove(copy)
    code = _pytest(guard.tests, copy)
    (copy / guard.file).write_text(before)
    return {PASSED: "NOT NOTICED", FAILED: "noticed"}.get(code, "broken")


def _pytest(tests: Sequence[str], copy: Path) -> int:
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:randomly", *tests],
        cwd=copy,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=TIME_LIMIT_SECONDS,
        check=False,
    )
    return run.returncode


def _show(number: int, total: int, name: str) -> None:
    if sys.stdout.isatty():
        done = WIDTH * number // total
        bar = "█" * done + "·" * (WIDTH - done)
        print(f"\r\033[K{bar} {number}/{total} {name}", end="", flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
