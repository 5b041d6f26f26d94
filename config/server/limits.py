"""What one process of the web server gives to connections and bodies at most."""

from dataclasses import dataclass

KIB = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of one process. What the server's own options bound (heads, silent connections) is in
    ``devtools.stack.programs`` and in the Dockerfile."""

    threads: int = 8
    """Requests that are carried out at the same time."""
    max_body_bytes: int = 1024 * KIB + KIB
    """A longer body is not read. Every route refuses bodies above 1 MiB itself."""
    body_seconds: float = 10.0
    """What every body may take, however short."""
    min_body_rate: int = 16 * KIB
    """Bytes per second that a body must come with on average, beyond ``body_seconds``."""
    max_open_bodies: int = 256
    """Bodies that are received at the same time from callers without a valid key or token, and as
    many again from callers with one. One more ends the oldest."""
    max_open_body_bytes: int = 64 * 1024 * KIB
    """What those bodies may come to, each counted as long as its head says, by the same rule."""
    max_connections: int = 1000
    """Open connections. Beyond that, those that have been idle for longest are closed."""

    def seconds_for(self, length: int) -> float:
        """How long a body of ``length`` bytes may take to arrive."""
        return self.body_seconds + length / self.min_body_rate
