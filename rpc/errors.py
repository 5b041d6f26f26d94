"""Errors that only a gRPC call can have."""

from common.errors import DomainError, Unavailable


class DeadlineOver(DomainError):
    """Nothing was done: the call's deadline had passed before its turn."""

    status, code, title = 504, "deadline-over", "The call's deadline is over."


class TooManyStreams(DomainError):
    """The key, or the server, has as many streams of changes as it may have."""

    status, code, title = 429, "too-many-streams", "Too many streams of changes are open."


class StreamEnded(Unavailable):
    """The server stops or restarts. Open the stream again with the last `next`."""

    code, title = "stream-ended", "The stream has ended."
