"""What follows from stored objects: once for all objects of a customer that are stored together.

A purchase is a subscription, its invoice, their payment and a page, which arrive within a second,
and each of them changes what the same purchase gives. The last one sees all of them.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar, copy_context

from events.log import gathered_events
from projects.customers import selectors as customers

Key = tuple[str, str]
"""What is recomputed: its kind, and our id of it."""
FollowUp = Callable[[], object]

_gathered: ContextVar[dict[Key, tuple[Context, FollowUp]] | None]
_gathered = ContextVar("follow_ups", default=None)


@contextmanager
def gathered() -> Iterator[None]:
    """What follows from the objects that are stored inside is done at the end, in the order in
    which it was first asked for. After an error nothing is done.

    All of it is one change of the customer: one version, and one statement for its events.
    """
    with gathered_events.gathered(), customers.one_version():
        waiting: dict[Key, tuple[Context, FollowUp]] = {}
        token = _gathered.set(waiting)
        try:
            yield
        finally:
            _gathered.reset(token)
        while waiting:  # what is done may ask for more
            context, follow = waiting.pop(next(iter(waiting)))
            context.run(follow)


def run_once(key: Key, follow: FollowUp) -> None:
    """Do this now; inside :func:`gathered` at the end, and only the last one with this key.

    It has the cause and the trace of the object that asked for it last.
    """
    waiting = _gathered.get()
    if waiting is None:
        follow()
    else:
        waiting[key] = copy_context(), follow
