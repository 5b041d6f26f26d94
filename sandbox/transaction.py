"""One request's view of an account: what it reads and changes, kept whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox import events
from sandbox.errors import no_such
from sandbox.objects import Object, copy, previous_attributes
from sandbox.store import Key

if TYPE_CHECKING:
    from sandbox.world import World

Where = Callable[[Object], bool]


@dataclass(frozen=True)
class Cause:
    """The API request behind a change; empty when time or the sandbox itself is the cause."""

    request_id: str | None = None
    idempotency_key: str | None = None


class Transaction:
    """Objects come out as private copies; change them in place, the commit finds what changed."""

    def __init__(self, world: World, account: str, cause: Cause, *, at: int | None = None) -> None:
        self.world, self.account, self.cause = world, account, cause
        self.at = at
        """The moment it works at, where that is not the world's: a rehearsal, a test clock."""
        self._loaded: dict[Key, Object | None] = {}
        self.hides_since: int | None = None
        """Lists leave out what is newer than this (the ``stale_list`` fault)."""
        self._held: list[tuple[str, Object, Object | None]] | None = None

    @property
    def now(self) -> int:
        return self.world.clock.now() if self.at is None else self.at

    def rehearsal(self) -> Transaction:
        """Another view of what was stored, to try things out in: nobody keeps it."""
        return Transaction(self.world, self.account, self.cause, at=self.now)

    def new_id(self, prefix: str) -> str:
        return self.world.ids.new(prefix)

    def get(self, kind: str, id: str) -> Object | None:
        """The object, or None. The same object each time within this transaction."""
        key = (self.account, kind, id)
        if key not in self._loaded:
            stored = self.world.store.get(key)
            if stored is None:
                return None
            self._loaded[key] = copy(stored)
        return self._loaded[key]

    def find(self, id: str) -> Object | None:
        """The object with this id, whatever its kind."""
        for kind, _ in self.world.store.kinds(self.account):
            if not kind.startswith("_") and self.world.store.get((self.account, kind, id)):
                return self.get(kind, id)
        return next(
            (
                body
                for (_, kind, known), body in self._loaded.items()
                if known == id and not kind.startswith("_")
            ),
            None,
        )

    def path_object(self, kind: str, id: str) -> Object:
        """The object that the URL names. Raises 404 ``resource_missing``."""
        return self._require(kind, id, param="id", in_path=True)

    def param_object(self, kind: str, id: str, *, param: str) -> Object:
        """The object that a parameter names. Raises 400 ``resource_missing`` for that parameter."""
        return self._require(kind, id, param=param, in_path=False)

    def _require(self, kind: str, id: str, *, param: str, in_path: bool) -> Object:
        found = self.get(kind, id)
        if found is None or found.get("deleted"):
            noun = kind if kind == "checkout.session" else kind.rpartition(".")[2].replace("_", "")
            raise no_such(noun, id, param=param, in_path=in_path)
        return found

    def ids(self, kind: str, where: Where | None = None) -> list[str]:
        """Ids in the order of creation. ``where`` sees each object and must not change it."""
        seen = dict(self.world.store.kind(self.account, kind))
        for (_, loaded_kind, id), body in self._loaded.items():
            if loaded_kind != kind:
                continue
            if body is None:
                seen.pop(id, None)
            else:
                seen[id] = body
        return [id for id, body in seen.items() if where is None or where(body)]

    def all(self, kind: str, where: Where | None = None) -> list[Object]:
        """The objects of a kind, oldest first, free to be changed."""
        return [body for id in self.ids(kind, where) if (body := self.get(kind, id)) is not None]

    def stored(self, body: Object) -> Object | None:
        """The object as it was before this transaction: look, don't touch."""
        return self.world.store.get((self.account, body["object"], body["id"]))

    def oldest(self, kind: str) -> Iterator[Object]:
        """What was stored before this transaction, the oldest first: look, don't touch."""
        yield from self.world.store.kind(self.account, kind).values()

    def insert(self, body: Object) -> Object:
        self._loaded[(self.account, body["object"], body["id"])] = body
        return body

    def forget(self, body: Object) -> None:
        """Remove without a trace."""
        self._loaded[(self.account, body["object"], body["id"])] = None

    def delete(self, body: Object) -> Object:
        """Leave Stripe's stub behind: ``{"id", "object", "deleted": true}``."""
        stub = {"id": body["id"], "object": body["object"], "deleted": True}
        return self.insert(stub)

    def emit(self, type: str, body: Object, *, previous: Object | None = None) -> None:
        """Announce a change; the event freezes the object as it is now."""
        if self._held is None:
            events.record(self, type, body, previous=previous)
        else:
            self._held.append((type, copy(body), previous))

    @contextmanager
    def arranged(self, order: Sequence[str]) -> Iterator[None]:
        """Announce what the block emits in this order of types, not in the order it happened.

        Each event still shows its object as it was when it was emitted. Types that the order
        does not list come last.
        """
        outer, self._held = self._held, []
        try:
            yield
        finally:
            held, self._held = self._held, outer
            rank = {type: place for place, type in enumerate(order)}
            for type, body, previous in sorted(held, key=lambda each: rank.get(each[0], len(rank))):
                self.emit(type, body, previous=previous)

    @contextmanager
    def updating(self, body: Object, *types: str) -> Iterator[Object]:
        """Announce ``types`` with ``previous_attributes`` if the block changed the object."""
        before = copy(body)
        yield body
        previous = previous_attributes(before, body)
        if previous:
            for type in types:
                self.emit(type, body, previous=previous)

    def changes(self) -> Iterator[tuple[Key, Object | None]]:
        for key, body in self._loaded.items():
            if body != self.world.store.get(key):
                yield key, body
