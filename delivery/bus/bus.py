"""What the relay needs to know of a bus."""

from collections.abc import Callable, Sequence
from typing import Protocol

from events.log.rendered import RenderedEvent


class BusUnavailable(Exception):
    """The bus is away, full or refuses an entry: the relay tries again later."""


class BusAhead(Exception):
    """The bus has events that the log does not have: the database is an older copy."""


class Bus(Protocol):
    """Somewhere to publish all events in order. Opened for one run of the relay."""

    @property
    def outlet(self) -> str:
        """The name of its cursor."""

    def publish(
        self,
        events: Sequence[RenderedEvent],
        *,
        after: int,
        epoch: str,
        meanwhile: Callable[[], None],
    ) -> int:
        """Publish the events behind the number ``after``; none if there is nothing new. Calls
        ``meanwhile`` while the bus is busy, if events are published.

        Returns the number up to which the bus has everything. A smaller one than ``after`` means
        that the bus has lost events: nothing was published, and the relay goes on from there.
        Raises BusUnavailable, whatever part is published then, and BusAhead.
        """

    def forget(self) -> None:
        """Let the next run publish everything anew. Raises BusUnavailable."""

    def close(self) -> None:
        """Release what this run has opened."""
