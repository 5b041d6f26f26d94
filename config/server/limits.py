"""Limits of connections and bodies in one process of the web server."""

from dataclasses import dataclass

KIB = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of one process.

    Options of the server itself (headers, silent connections) are in ``devtools.stack.programs``
    and in the Dockerfile.
    """

    threads: int = 8
    """Requests that are executed at the same time."""
    max_body_bytes: int = 1024 * KIB + KIB
    """A longer body is not read. Every route refuses bodies above 1 MiB itself."""
    body_seconds: float = 10.0
    """Time for any body, however short."""
    min_body_rate: int = 16 * KIB
    """Bytes per second that a body must achieve on average, after ``body_seconds``."""
    max_open_bodies: int = 256
    """Bodies received at the same time from callers without a valid key or token; the same number
    again from callers with one. A further body drops the oldest."""
    max_open_body_bytes: int = 64 * 1024 * KIB
    """Total size of these bodies by their Content-Length, with the same rule."""
    max_connections: int = 3000
    """Open connections; beyond that, those that have been idle longest are closed. One takes 8 KiB
    of memory."""

    max_waiting: int = 800
    """Readers that wait for new events at the same time; a further one gets an empty page."""
    max_waiting_per_key: int = 50

    def seconds_for(self, length: int) -> float:
        """Longest time for a body of ``length`` bytes."""
        return self.body_seconds + length / self.min_body_rate
