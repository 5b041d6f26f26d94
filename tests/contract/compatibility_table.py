"""The rows of the tables in ``docs/compatibility.md``."""

import re
from typing import NamedTuple

from tests.services import ROOT

PAGE = ROOT / "docs" / "compatibility.md"


class CompatibilityRow(NamedTuple):
    """One row: which team had the name, the name, its place, the present name, and how."""

    team: str
    earlier: str
    place: str
    now: str
    how: str

    def __str__(self) -> str:
        return f"{self.earlier} {self.place}".replace("`", "").strip().replace(" ", "-")


def rows(heading: str) -> list[CompatibilityRow]:
    """The rows of the table below this heading. A table without a place has an empty one."""
    section = PAGE.read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [
        CompatibilityRow(team, names[0].strip("`"), place, names[-1].strip("`"), how)
        for team, *names, how in cells
        for place in ["".join(names[1:-1])]
    ]


def operation(text: str) -> tuple[str, str]:
    """Method and full path of ``POST /payments``: those of the API begin with /api/v1."""
    method, path = text.replace("`", "").removesuffix(" query").removesuffix(" answer").split()
    outside = re.match(r"/(api/|webhook$|webhooks/|live|ready|health|redoc)", path)
    return method, path if outside else f"/api/v1{path}"


def anonymous(path: str) -> str:
    """The path without the names of its parameters."""
    return re.sub(r"\{\w+\}", "{}", path)
