"""Errors of the ways out."""

from common.errors import Conflict, DomainError


class EventsExpired(DomainError):
    """Events after the cursor have been deleted. ``oldest`` is the cursor of the oldest that is
    kept: compare your rows with ours before you go on from there."""

    status, code, title = 410, "events-expired", "The next events have been deleted."


class EventsRewound(DomainError):
    """The cursor belongs to events that a restored copy of our database does not have. Compare
    your rows with ours, and go on from ``oldest``."""

    status, code, title = 410, "events-rewound", "This cursor belongs to a lost history."


class ChannelUnavailable(Conflict):
    """This installation has no mail server, or no Hermes."""

    code, title = "channel-unavailable", "Messages cannot be sent this way here."


class NotParked(Conflict):
    """The consumer still tries this entry, or has dealt with it."""

    code, title = "entry-not-parked", "Only a parked entry can be discarded."


class NotificationFinished(Conflict):
    """The message was sent, or is going to be."""

    code, title = "notification-finished", "This message cannot be sent again."


class TooManyEndpoints(Conflict):
    """The project has as many webhook endpoints as it can have."""

    code, title = "too-many-webhook-endpoints", "The project has too many webhook endpoints."


class ReplayRunning(Conflict):
    """Another replay of the endpoint is under way: wait for it, or cancel it."""

    code, title = "replay-running", "A replay of this endpoint is under way."


class CheckRunning(Conflict):
    """The endpoint is being checked, or was a moment ago: try again in ten seconds."""

    code, title = "check-running", "A check of this endpoint is under way."


class SignalNotParked(Conflict):
    """The signal was sent, or is going to be."""

    code, title = "signal-not-parked", "This signal cannot be sent again."
