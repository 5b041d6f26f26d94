"""The table of figures and targets at the end of `make chaos`."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.chaos.figures import Figures

HEAD = (
    "run",
    "length",
    "events",
    "lost",
    "doubled",
    "out of order",
    "repeated",
    "target",
    "",
)
LEGEND = """\
lost: never came. doubled: came with another id. out of order: came first behind a later one of its
customer. repeated: came again with the same id. target: of these four, in this order.
Times and sizes are measured and have no target."""


def load(file: Path) -> list[Figures]:
    """The figures that tests have published there, by name."""
    lines = file.read_text().splitlines() if file.exists() else []
    return sorted((Figures(**json.loads(line)) for line in lines), key=lambda each: each.run)


def render(rows: Sequence[Figures]) -> str:
    """The figures as a table of Markdown, and what the tests have measured beside."""
    cells = [HEAD, *(_cells(row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    rule = "|".join("-" * (width + 2) for width in widths)
    lines = [_line(row, widths) for row in cells]
    notes = [f"* {row.run}: {row.note}" for row in rows if row.note]
    return "\n".join([lines[0], f"|{rule}|", *lines[1:], "", LEGEND, *notes])


def _cells(row: Figures) -> tuple[str, ...]:
    counts = (row.events, row.lost, row.doubled, row.disordered, row.repeated)
    return (
        row.run,
        row.size,
        *(f"{count:,}" for count in counts),
        row.target,
        "ok" if row.is_met else "MISSED",
    )


def _line(cells: Iterable[str], widths: Iterable[int]) -> str:
    padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
    return f"| {' | '.join(padded)} |"
