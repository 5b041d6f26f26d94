"""The objects of a world by account and kind, in order of creation.

Requests work in a ``Transaction``, which is written here as a whole or not at all. With a file the
objects survive a restart: SQLite, one transaction per request.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from sandbox.objects import Object

Index = dict[Any, dict[str, None]]
"""Ids by a value. An object that gets another value comes last among those that have it."""
Key = tuple[str, str, str]
"""Account id, kind (the ``object`` field; a leading ``_`` marks the sandbox's own records), id."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    account TEXT NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL,
    UNIQUE (account, kind, id)
);
"""


class ObjectStore:
    def __init__(self, path: Path | None = None) -> None:
        self._kinds: dict[tuple[str, str], dict[str, Object]] = {}
        self._indexes: dict[tuple[str, str], dict[str, Index]] = {}
        """By account and kind: the ids by the value of a field, for each field that was asked
        for."""
        self._database = _open_database(path) if path else None
        if self._database:
            rows = self._database.execute(
                "SELECT account, kind, id, body FROM objects ORDER BY position"
            )
            for account, kind, id, body in rows:
                self._kinds.setdefault((account, kind), {})[id] = json.loads(body)

    def get(self, key: Key) -> Object | None:
        """The stored object itself; read-only."""
        account, kind, id = key
        return self._kinds.get((account, kind), {}).get(id)

    def kind(self, account: str, kind: str) -> dict[str, Object]:
        """The stored objects of one kind by id, oldest first; read-only."""
        return self._kinds.get((account, kind), {})

    def ids_with(self, account: str, kind: str, field: str, value: Any) -> list[str]:
        """The ids of the stored objects that have this value in this field, which is text or null,
        found without a look at the others."""
        indexes = self._indexes.setdefault((account, kind), {})
        if field not in indexes:
            indexes[field] = {}
            for id, body in self.kind(account, kind).items():
                indexes[field].setdefault(body.get(field), {})[id] = None
        return list(indexes[field].get(value, ()))

    def kinds(self, account: str) -> Iterator[tuple[str, int]]:
        """Each kind of an account with its number of objects."""
        for (owner, kind), objects in self._kinds.items():
            if owner == account and objects:
                yield kind, len(objects)

    def items(self) -> Iterator[tuple[Key, Object]]:
        """All objects; read-only."""
        for (account, kind), objects in self._kinds.items():
            for id, body in objects.items():
                yield (account, kind, id), body

    def write(self, changes: Iterable[tuple[Key, Object | None]]) -> None:
        """Write all changes or none. ``None`` removes an object."""
        changes = list(changes)
        if self._database and changes:
            with self._database:
                for key, body in changes:
                    self._write_row(key, body)
        for (account, kind, id), body in changes:
            objects = self._kinds.setdefault((account, kind), {})
            for field, index in self._indexes.get((account, kind), {}).items():
                _move(index, id, objects.get(id), body, field)
            if body is None:
                objects.pop(id, None)
            else:
                objects[id] = body

    def clear(self) -> None:
        self._kinds.clear()
        self._indexes.clear()
        if self._database:
            with self._database:
                self._database.execute("DELETE FROM objects")

    def close(self) -> None:
        if self._database:
            self._database.close()

    def _write_row(self, key: Key, body: Object | None) -> None:
        assert self._database
        if body is None:
            self._database.execute(
                "DELETE FROM objects WHERE account = ? AND kind = ? AND id = ?", key
            )
            return
        self._database.execute(
            "INSERT INTO objects (account, kind, id, body) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (account, kind, id) DO UPDATE SET body = excluded.body",
            (*key, json.dumps(body, separators=(",", ":"))),
        )


def _move(
    index: Index, object_id: str, before: Object | None, after: Object | None, field: str
) -> None:
    """Let the index know the object as it is after a write."""
    if before is not None and after is not None and before.get(field) == after.get(field):
        return
    if before is not None:
        index[before.get(field)].pop(object_id)
    if after is not None:
        index.setdefault(after.get(field), {})[object_id] = None


def _open_database(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    database = sqlite3.connect(path, check_same_thread=False)  # the world's lock serialises use
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = NORMAL")
    database.executescript(SCHEMA)
    return database
