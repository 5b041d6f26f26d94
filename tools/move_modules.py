"""``python tools/move_modules.py MAP [ROOM …]``: move modules to where a map says they belong.

The map has a table per room, ``old = "new"``, both dotted and without the app. Every import, dotted
name in a text and path in a document is rewritten. Names that callers use stay (an import gets an
alias), so that a move changes no behaviour. Run ruff's ``check --fix`` and ``format`` afterwards.
"""

import ast
import re
import subprocess
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

TEXTS = (".py", ".md", ".toml", ".html", ".yml", ".txt", ".cfg")
LEFT_ALONE = ("CHANGELOG.md", "tools/", "docs/decisions/")


def main(arguments: Sequence[str]) -> int:
    tables = tomllib.loads(Path(arguments[0]).read_text())
    rooms = arguments[1:] or list(tables)
    moves = {
        f"{room.split('.')[0]}.{old}": f"{room.split('.')[0]}.{new}"
        for room in rooms
        for old, new in tables[room]["modules"].items()
    }
    missing = [old for old in moves if not _file_of(old)]
    if missing:
        sys.exit(f"Not there: {', '.join(missing)}")
    renamed = {path: _rewritten(path, moves) for path in _texts()}
    for path, text in renamed.items():
        if text is not None:
            path.write_text(text)
    for old, new in moves.items():
        _move(old, new)
    for room in rooms:
        _describe(room, tables[room])
    return 0


def _file_of(module: str) -> Path | None:
    base = Path(*module.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.exists():
            return path
    return None


def _texts() -> Iterator[Path]:
    listed = _git("ls-files")
    for name in listed.splitlines():
        path = Path(name)
        if path.suffix in TEXTS and path.exists() and not name.startswith(LEFT_ALONE):
            yield path


def _rewritten(path: Path, moves: Mapping[str, str]) -> str | None:
    """The text with every reference rewritten; None when nothing changes."""
    before = path.read_text()
    text = _with_imports(before, moves) if path.suffix == ".py" else before
    text = _with_names(text, moves)
    return text if text != before else None


def _with_imports(text: str, moves: Mapping[str, str]) -> str:
    lines = text.splitlines(keepends=True)
    nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)]
    for node in sorted(nodes, key=lambda node: -node.lineno):
        statements = _moved(node, moves)
        if statements is None:
            continue
        assert node.end_lineno is not None
        last = lines[node.end_lineno - 1]
        comment = re.search(r"(#.*)$", last) if node.lineno == node.end_lineno else None
        indent = " " * node.col_offset
        ending = f"  {comment[1]}" if comment else ""
        lines[node.lineno - 1 : node.end_lineno] = [
            f"{indent}{statement}{ending}\n" for statement in statements
        ]
    return "".join(lines)


def _moved(node: ast.ImportFrom, moves: Mapping[str, str]) -> list[str] | None:
    """The statements that take the place of an import; None when it stays."""
    if node.level or node.module is None:
        return None
    parts: dict[str, list[str]] = defaultdict(list)
    changes = False
    for alias in node.names:
        full = f"{node.module}.{alias.name}"
        if full in moves:
            changes = True
            parent, _, leaf = moves[full].rpartition(".")
            local = alias.asname or alias.name
            parts[parent].append(leaf if leaf == local else f"{leaf} as {local}")
        else:
            changes = changes or node.module in moves
            name = f"{alias.name} as {alias.asname}" if alias.asname else alias.name
            parent = node.module if _file_of(full) else moves.get(node.module, node.module)
            parts[parent].append(name)
    if not changes:
        return None
    return [f"from {module} import {', '.join(names)}" for module, names in parts.items()]


def _with_names(text: str, moves: Mapping[str, str]) -> str:
    """Dotted names and paths in strings, docstrings and documents."""
    olds = sorted(moves, key=len, reverse=True)
    dotted = re.compile(r"(?<![\w./])(" + "|".join(map(re.escape, olds)) + r")(?!\w)(\.\w+)?")

    def moved(match: re.Match[str]) -> str:
        tail = match[2] or ""
        line = text[text.rfind("\n", 0, match.start()) + 1 : match.start()]
        if line.strip() == "from":  # imports have been rewritten before
            return match[0]
        stays = tail and _file_of(match[1] + tail)  # a module below one that moves
        return match[0] if stays else moves[match[1]] + tail

    text = dotted.sub(moved, text)
    files = {}
    for old, new in moves.items():
        source = _file_of(old)
        assert source is not None
        files[source.as_posix()] = new.replace(".", "/") + ".py"
    longest_first = sorted(files, key=len, reverse=True)
    paths = re.compile(r"(?<!\w)(" + "|".join(map(re.escape, longest_first)) + ")")
    return paths.sub(lambda match: files[match[1]], text)


def _move(old: str, new: str) -> None:
    source = _file_of(old)
    assert source is not None
    target = Path(*new.split(".")).with_suffix(".py")
    target.parent.mkdir(parents=True, exist_ok=True)
    for folder in target.parents:
        if folder == Path():
            break
        (folder / "__init__.py").touch()
        _git("add", str(folder / "__init__.py"))
    _git("mv", str(source), str(target))


def _git(*arguments: str) -> str:
    command = ["/usr/bin/env", "git", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _describe(room: str, table: Mapping[str, object]) -> None:
    owns = table.get("owns")
    path = Path(*room.split("."), "__init__.py")
    if owns and path.exists() and not path.read_text():
        path.write_text(f'"""{owns}"""\n')


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
