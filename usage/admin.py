"""The console's pages about what is counted."""

from usage.meters import admin as meters

__all__ = ["meters"]
