"""Cursors of the log: a position, and whose and of which history it is.

The text carries digests of the project and of the log's epoch, so that a cursor of another project
or from before a restored copy is noticed instead of pointing to some other event.
"""

import hashlib
import re
from dataclasses import dataclass

_TEXT = re.compile(r"([0-9a-f]{8})([0-9a-f]{8})-(\d{1,18})", re.ASCII)


@dataclass(frozen=True, slots=True)
class LogCursor:
    """``position`` is the last one that the reader has seen."""

    project_tag: str
    epoch_tag: str
    position: int

    @classmethod
    def at(cls, position: int, *, project_id: str, epoch: str) -> "LogCursor":
        return cls(_tag(project_id), _tag(epoch), position)

    def __str__(self) -> str:
        return f"{self.project_tag}{self.epoch_tag}-{self.position}"

    def is_of_project(self, project_id: str) -> bool:
        return self.project_tag == _tag(project_id)

    def is_of_epoch(self, epoch: str) -> bool:
        return self.epoch_tag == _tag(epoch)


def parse(text: str) -> LogCursor | None:
    """The cursor; None for a text that is none."""
    match = _TEXT.fullmatch(text)
    return None if match is None else LogCursor(match[1], match[2], int(match[3]))


def _tag(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:8]
