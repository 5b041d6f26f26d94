"""The console's pages of meters."""

from usage.meters import admin as meters

__all__ = ["meters"]
