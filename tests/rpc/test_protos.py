"""The protos keep buf's rules, and nothing that was released breaks.

``tests/contract/protos`` is what callers rely on. After an addition that is meant:
``TOLLGATE_WRITE_CONTRACT=1 pytest tests/rpc/test_protos.py``.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rpc import descriptors
from rpc.descriptors import PROTOS

RELEASED = Path(__file__).resolve().parents[1] / "contract" / "protos"
BUF = Path(sys.executable).with_name("buf")
MUST_WRITE = "TOLLGATE_WRITE_CONTRACT" in os.environ


def buf(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Without a network: the protos import nothing but each other and protobuf's own."""
    return subprocess.run([BUF, *map(str, arguments)], capture_output=True, text=True, check=False)


def breaking(protos: Path) -> str:
    return buf("breaking", protos, "--against", RELEASED).stdout


def test_the_protos_keep_the_rules_of_buf() -> None:
    lint = buf("lint", PROTOS)
    assert (lint.returncode, lint.stdout, lint.stderr) == (0, "", "")


def test_the_protos_are_formatted() -> None:
    assert buf("format", "--diff", PROTOS).stdout == ""


def test_nothing_that_was_released_breaks() -> None:
    run = buf("breaking", PROTOS, "--against", RELEASED)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    if MUST_WRITE:
        shutil.copytree(PROTOS, RELEASED, dirs_exist_ok=True, ignore=_no_built)


def test_released_protos_are_all_there() -> None:
    names = {path.relative_to(PROTOS) for path in PROTOS.rglob("*.proto")}
    assert {path.relative_to(RELEASED) for path in RELEASED.rglob("*.proto")} == names


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ("bool allowed = 2;", "bool permitted = 2;", "changed name"),
        ("bool allowed = 2;", "string allowed = 2;", "changed type"),
        ("bool allowed = 2;", "", "deleted"),
    ],
)
def test_a_break_is_noticed(tmp_path: Path, before: str, after: str, complaint: str) -> None:
    protos = shutil.copytree(PROTOS, tmp_path / "protos")
    file = protos / "tollgate" / "v1" / "decisions.proto"
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after))
    assert complaint in breaking(protos)


def test_what_an_image_has_is_what_the_compiler_makes(tmp_path: Path) -> None:
    """An image has no compiler, but the file that ``python -m rpc.build`` has written."""
    built = tmp_path / "built.binpb"
    descriptors.compile_protos(built)
    assert descriptors.read_built(built) == descriptors.read()


def _no_built(_: str, names: list[str]) -> set[str]:
    return {descriptors.BUILT.name} & set(names)
