"""The commands of a guide, as its readers paste them."""

import re
import shlex
from pathlib import Path

from tests.services import ROOT


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text()


def blocks(text: str) -> list[str]:
    """Every block of shell commands."""
    return re.findall(r"```sh\n(.*?)```", text, re.DOTALL)


def section(name: str, title: str) -> str:
    """The part of the page under this heading."""
    _, _, rest = page(name).partition(f"\n## {title}\n")
    assert rest, f"{name} has no section {title!r}"
    return rest.partition("\n## ")[0]


def management_commands(text: str) -> list[list[str]]:
    """The arguments after ``manage.py`` of every command, in blocks and in sentences."""
    lines = [line for block in blocks(text) for line in block.splitlines()]
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    lines += re.findall(r"`(manage\.py [^`…]+)`", prose)
    commands = []
    for line in lines:
        words = shlex.split(line, comments=True)
        names = [word for word in words if Path(word).name == "manage.py"]
        if names:
            commands.append(words[words.index(names[0]) + 1 :])
    return commands
