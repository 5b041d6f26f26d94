"""The README's tour prints what it says when pasted line by line."""

import re
import subprocess
from pathlib import Path

from devtools.stack import Stack
from tests.services import ROOT

PLACEHOLDERS = "export KEY=tg_test_… API=http://127.0.0.1:8000/api/v1"
VOLATILE = re.compile(
    r"(?<=_)01[0-9a-z]{24}|\d{4}-\d\d-\d\dT[\d:.]+Z|(?<=version.: )\d+|(?<=version.:)\d+"
)
"""Ids, times, and versions: how many events have come by then is not promised."""


def test_the_tour_prints_the_output_of_the_readme(stack: Stack, tmp_path: Path) -> None:
    stack.manage("seed_demo", "--key-file", str(tmp_path / "key"))
    commands, printed = blocks("## A tour, line by line")
    assert PLACEHOLDERS in commands
    key = (tmp_path / "key").read_text().strip()
    own = f"export KEY={key} API={stack.web_url}/api/v1"

    run = subprocess.run(
        ["bash", "-c", commands.replace(PLACEHOLDERS, own)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert run.stderr == ""
    assert VOLATILE.sub("…", run.stdout) == VOLATILE.sub("…", printed)


def blocks(heading: str) -> list[str]:
    """The code blocks of one section."""
    text = (ROOT / "README.md").read_text().split(heading, 1)[1].split("\n## ", 1)[0]
    return re.findall(r"```\w+\n(.*?)```", text, re.DOTALL)
