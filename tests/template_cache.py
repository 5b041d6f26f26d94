"""Copies of a freshly migrated PostgreSQL cluster, kept between runs of the suite.

Migrating an empty database takes 8 s of CPU; copying its files takes one. A copy is named after
everything that decides its content: the migrations, the pins and the server's set-up. Copies of
other content are left to the system's cleaning of its temporary directory.
`TOLLGATE_TEST_TEMPLATE=0` turns this off.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PREFIX = "tollgate-template-"
PASSWORD = "password"
DATA = "postgres"
SOURCES = ("*/migrations/*.py", "requirements/base.txt", "devtools/embedded/*.py")


def location() -> Path:
    """Where the copy for the code of this checkout is, or would be."""
    digest = hashlib.sha256()
    for pattern in SOURCES:
        for path in sorted(ROOT.glob(pattern)):
            digest.update(str(path.relative_to(ROOT)).encode())
            digest.update(path.read_bytes())
    return Path(tempfile.gettempdir()) / f"{PREFIX}{os.geteuid()}-{digest.hexdigest()[:16]}"


def is_off() -> bool:
    return os.environ.get("TOLLGATE_TEST_TEMPLATE") == "0"


def is_kept() -> bool:
    """Whether there is a copy for the code of this checkout."""
    return is_ours(location())


def restore(home: Path) -> bool:
    """Lay the copy into a new, empty home of servers. False when there is none."""
    if is_off() or not is_kept():
        return False
    _copy(location(), home)
    return True


def save(home: Path) -> None:
    """Keep a copy of a stopped cluster; of two processes at once the first one's stays."""
    kept = location()
    if kept.exists() or is_off():
        return
    draft = Path(tempfile.mkdtemp(prefix=f"{PREFIX}draft-"))
    _copy(home, draft)
    try:
        draft.rename(kept)
    except OSError:
        shutil.rmtree(draft, ignore_errors=True)


def _copy(source: Path, target: Path) -> None:
    for name in (PASSWORD, DATA):
        subprocess.run(["cp", "-a", str(source / name), str(target / name)], check=True)


def is_ours(path: Path) -> bool:
    """Whether the directory is owned by this user: anybody can write to the temporary directory."""
    return path.is_dir() and not path.is_symlink() and path.lstat().st_uid == os.geteuid()
