"""The directory of the embedded servers, and the account that runs PostgreSQL there.

PostgreSQL refuses to run as root, so for root it runs as `nobody`. That account must be able to
reach its data and its programs. When the checkout is inside a directory that only root may enter
(such as /root), both move to a directory under /var/tmp that is named after the checkout.
"""

import hashlib
import logging
import os
import pwd
import stat
from pathlib import Path
from typing import TypedDict

logger = logging.getLogger(__name__)

ELSEWHERE = Path("/var/tmp")  # noqa: S108 - survives a reboot; the directory's owner is checked


class Account(TypedDict, total=False):
    """Arguments of `subprocess.Popen` that select the account; empty for our own."""

    user: int
    group: int
    extra_groups: list[int]


def account() -> Account:
    """The account that PostgreSQL runs as: our own, or `nobody` for root."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def can_reach(path: Path) -> bool:
    """Whether PostgreSQL's account may enter every directory on the way to `path`."""
    return os.geteuid() != 0 or lets_everybody_in(path)


def lets_everybody_in(path: Path) -> bool:
    """Whether every account may enter every directory on the way to `path`."""
    steps = [step for step in (path, *path.parents) if step.is_dir()]
    return all(step.stat().st_mode & stat.S_IXOTH for step in steps)


def home_of(var: Path) -> Path:
    """The directory for the servers of a `var` directory: inside it, or under /var/tmp."""
    home = var / "embedded"
    home.parent.mkdir(parents=True, exist_ok=True)
    if not can_reach(home.parent):
        return home_outside(var)
    home.mkdir(exist_ok=True)
    return home


def home_outside(var: Path, *, elsewhere: Path = ELSEWHERE) -> Path:
    """A directory that belongs to us, always the same for a `var`. Raises PermissionError."""
    digest = hashlib.sha256(str(var).encode()).hexdigest()[:12]
    home = elsewhere / f"tollgate-{digest}"
    if not home.exists():
        logger.warning(
            "Only root may enter %s, and PostgreSQL does not run as root:"
            " its data and Valkey's are kept in %s instead.",
            var,
            home,
        )
    home.mkdir(mode=0o755, parents=True, exist_ok=True)
    _refuse_foreign(home)
    return home


def _refuse_foreign(home: Path) -> None:
    """Raise PermissionError if the directory belongs to another account, which could have created
    it first."""
    status = home.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise PermissionError(
            f"{home} belongs to somebody else. Remove it, move the checkout out of a directory"
            " that only root may enter, or set DATABASE_URL and REDIS_URL."
        )
