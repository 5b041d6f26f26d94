"""Read what PostgreSQL logged about this test's database."""

from dataclasses import dataclass, field
from pathlib import Path

from django.db import connection


def _log() -> Path:
    """The log beside the data of the server that `tests.services` has started."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW data_directory")
        (data,) = cursor.fetchone()
    return Path(data).with_name("postgres.log")


@dataclass
class DatabaseLog:
    """Reads on from where the log ended when this was made; a server writes an error down before
    it answers with it."""

    path: Path = field(default_factory=_log)
    offset: int = field(init=False)

    def __post_init__(self) -> None:
        self.offset = self.path.stat().st_size

    def errors(self) -> list[str]:
        """Errors of this database, without their moment and process."""
        mark = f" {connection.settings_dict['NAME']} "
        with self.path.open(errors="replace") as log:
            log.seek(self.offset)
            return [line.partition(mark)[2].strip() for line in log if f"{mark}ERROR:" in line]
