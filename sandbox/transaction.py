"""A transaction: the objects of one account that a request reads and changes, all or nothing."""

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

ObjectFilter = Callable[[Object], bool]
"""Says whether an object belongs to a list; must not change the object."""


@dataclass(frozen=True)
class EventRequest:
    """``event.request``: the API request behind a change. Empty when no request caused it."""

    request_id: str | None = None
    idempotency_key: str | None = None


class Transaction:
    """Private copies of an account's objects.

    Callers change the copies in place; ``changes`` lists those that differ from the store.
    """

    def __init__(
        self, world: World, account: str, cause: EventRequest, *, fixed_time: int | None = None
    ) -> None:
        self.world, self.account, self.cause = world, account, cause
        self.fixed_time = fixed_time
        """Replaces the world's time: the time of a test clock or of a preview."""
        self.listed_until: int | None = None
        """Lists leave out objects created after this time (the ``stale_list`` fault)."""
        self._loaded: dict[Key, Object | None] = {}
        self._buffered_events: list[tuple[str, Object, Object | None]] | None = None

    @property
    def now(self) -> int:
        return self.world.clock.now() if self.fixed_time is None else self.fixed_time

    def dry_run(self) -> Transaction:
        """A second transaction on the stored objects, for previews; it is never committed."""
        return Transaction(self.world, self.account, self.cause, fixed_time=self.now)

    def new_id(self, prefix: str) -> str:
        return self.world.ids.new(prefix)

    def get(self, kind: str, object_id: str) -> Object | None:
        """The object, or None. Repeated calls return the same copy."""
        key = (self.account, kind, object_id)
        if key not in self._loaded:
            stored = self.world.store.get(key)
            if stored is None:
                return None
            self._loaded[key] = copy(stored)
        return self._loaded[key]

    def find_by_id(self, object_id: str) -> Object | None:
        """The object with this id, of any kind that Stripe has."""
        for kind, _ in self.world.store.kinds(self.account):
            if not kind.startswith("_") and self.world.store.get((self.account, kind, object_id)):
                return self.get(kind, object_id)
        for (_, kind, loaded_id), body in self._loaded.items():
            if loaded_id == object_id and not kind.startswith("_"):
                return body
        return None

    def path_object(self, kind: str, object_id: str) -> Object:
        """The object that the URL names. Raises 404 ``resource_missing``."""
        return self._require(kind, object_id, param="id", in_path=True)

    def param_object(self, kind: str, object_id: str, *, param: str) -> Object:
        """The object that a parameter names. Raises 400 ``resource_missing`` for that parameter."""
        return self._require(kind, object_id, param=param, in_path=False)

    def _require(self, kind: str, object_id: str, *, param: str, in_path: bool) -> Object:
        body = self.get(kind, object_id)
        if body is None or body.get("deleted"):
            noun = kind if kind == "checkout.session" else kind.rpartition(".")[2].replace("_", "")
            raise no_such(noun, object_id, param=param, in_path=in_path)
        return body

    def list_ids(self, kind: str, where: ObjectFilter | None = None) -> list[str]:
        """Ids of a kind in the order of creation."""
        bodies = dict(self.world.store.kind(self.account, kind))
        for (_, loaded_kind, object_id), body in self._loaded.items():
            if loaded_kind != kind:
                continue
            if body is None:
                bodies.pop(object_id, None)
            else:
                bodies[object_id] = body
        return [object_id for object_id, body in bodies.items() if where is None or where(body)]

    def list_objects(self, kind: str, where: ObjectFilter | None = None) -> list[Object]:
        """Copies of the objects of a kind, oldest first; the caller may change them."""
        copies = (self.get(kind, object_id) for object_id in self.list_ids(kind, where))
        return [body for body in copies if body is not None]

    def list_with(self, kind: str, field: str, value: str) -> list[Object]:
        """Copies of the objects of a kind that have this text in this field, those that have had it
        longest first; the caller may change them. Looks at no others."""
        ids = dict.fromkeys(self.world.store.ids_with(self.account, kind, field, value))
        loaded = (key[2] for key in self._loaded if key[1] == kind)
        copies = (self.get(kind, object_id) for object_id in ids | dict.fromkeys(loaded))
        return [body for body in copies if body is not None and body.get(field) == value]

    def stored(self, body: Object) -> Object | None:
        """The object as it was before this transaction; read-only."""
        return self.world.store.get((self.account, body["object"], body["id"]))

    def iterate_stored(self, kind: str) -> Iterator[Object]:
        """The objects stored before this transaction, oldest first; read-only."""
        yield from self.world.store.kind(self.account, kind).values()

    def insert(self, body: Object) -> Object:
        self._loaded[(self.account, body["object"], body["id"])] = body
        return body

    def remove(self, body: Object) -> None:
        """Remove the object and leave no stub."""
        self._loaded[(self.account, body["object"], body["id"])] = None

    def delete(self, body: Object) -> Object:
        """Replace the object by Stripe's stub: ``{"id", "object", "deleted": true}``."""
        stub = {"id": body["id"], "object": body["object"], "deleted": True}
        return self.insert(stub)

    def emit(self, event_type: str, body: Object, *, previous: Object | None = None) -> None:
        """Record an event with a copy of the object as it is now."""
        if self._buffered_events is None:
            events.record_event(self, event_type, body, previous=previous)
        else:
            self._buffered_events.append((event_type, copy(body), previous))

    @contextmanager
    def emit_in_order(self, order: Sequence[str]) -> Iterator[None]:
        """Record the block's events in this order of event types, after the block.

        Each event shows its object as it was when ``emit`` was called. Types that the order does
        not list come last.
        """
        outer, self._buffered_events = self._buffered_events, []
        try:
            yield
        finally:
            buffered, self._buffered_events = self._buffered_events, outer
            rank = {event_type: index for index, event_type in enumerate(order)}
            buffered.sort(key=lambda event: rank.get(event[0], len(rank)))
            for event_type, body, previous in buffered:
                self.emit(event_type, body, previous=previous)

    @contextmanager
    def updating(self, body: Object, *event_types: str) -> Iterator[Object]:
        """Emit the events with ``previous_attributes`` if the block has changed the object."""
        before = copy(body)
        yield body
        previous = previous_attributes(before, body)
        if previous:
            for event_type in event_types:
                self.emit(event_type, body, previous=previous)

    def changes(self) -> Iterator[tuple[Key, Object | None]]:
        """The objects that differ from the store; None stands for a removed one."""
        for key, body in self._loaded.items():
            if body != self.world.store.get(key):
                yield key, body
