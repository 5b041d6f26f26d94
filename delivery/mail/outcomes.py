"""What became of an attempt to send a message."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Sent:
    """The other side has the message."""

    provider_id: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """The other side will never take this message. ``has_bounced``: there is no such mailbox."""

    reason: str
    has_bounced: bool = False


@dataclass(frozen=True, slots=True)
class TryLater:
    """The other side surely has not got the message, and may take it later."""

    reason: str
    at_least: timedelta = timedelta()


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody knows whether the other side has the message."""

    reason: str


Outcome = Sent | Refused | TryLater | Unknown


class ChannelDown(Exception):
    """No message can be sent at all, by nobody's fault: everything waits. ``code`` says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class NotificationTaken(Exception):
    """Another process has the notification: this one must not send it."""
