"""Tables of the ways out."""

from delivery.models.bus_checkpoint import BusCheckpoint
from delivery.models.held_entry import HeldEntry
from delivery.models.inbox_entry import InboxEntry
from delivery.models.outlet import Outlet

__all__ = ["BusCheckpoint", "HeldEntry", "InboxEntry", "Outlet"]
