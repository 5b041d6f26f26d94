"""Read the log in order."""

from events.models import LogHead


def lock_head() -> LogHead | None:
    """The head of the log; None if there is none yet, or another sequencer has locked it."""
    return LogHead.objects.select_for_update(skip_locked=True).filter(pk=1).first()
