"""Figures of long runs against their targets: ``python -m tests.figures FILE`` prints the table.

A test reports what it has counted or measured; ``make chaos`` names a file for it, and prints it
at the end. Tests assert what must hold; a time is only reported: a busy machine may pause.
"""

import json
import os
import sys
from pathlib import Path

FILE = "TOLLGATE_FIGURES"
WIDTH = 100


def report(
    run: str, name: str, value: float, *, unit: str = "", at_most: float | None = None
) -> None:
    """Report one figure. Nothing is written unless the environment names a file."""
    path = os.environ.get(FILE)
    if path is None:
        return
    line = {"run": run, "name": name, "value": value, "unit": unit, "at_most": at_most}
    with Path(path).open("a") as file:
        file.write(json.dumps(line) + "\n")


def render(lines: list[str]) -> str:
    """A table in Markdown, in the order of the runs' names."""
    rows = sorted((json.loads(line) for line in lines), key=lambda row: str(row["run"]))
    return "\n".join(
        ["| run | what | figure | target |", "|---|---|---:|---:|", *(_row(**row) for row in rows)]
    )


def _row(run: str, name: str, value: float, unit: str, at_most: float | None) -> str:
    target = "" if at_most is None else f"≤ {_number(at_most, unit)}"
    mark = " ✗" if at_most is not None and value > at_most else ""
    return f"| {run} | {name} | {_number(value, unit)}{mark} | {target} |"


def _number(value: float, unit: str) -> str:
    text = f"{value:,.0f}" if float(value).is_integer() else f"{value:,.2f}"
    return f"{text} {unit}".strip()


if __name__ == "__main__":
    sys.stdout.write(render(Path(sys.argv[1]).read_text().splitlines()) + "\n")
