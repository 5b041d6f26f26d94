"""Reads of outlets."""

from delivery.models import Outlet


def lock(name: str) -> Outlet | None:
    """The outlet, locked; None if there is none, or another process has locked it."""
    return Outlet.objects.select_for_update(skip_locked=True).filter(pk=name).first()


def number(name: str) -> int | None:
    """The last number that the outlet has dealt with; None if it has never run."""
    return Outlet.objects.filter(pk=name).values_list("number", flat=True).first()
