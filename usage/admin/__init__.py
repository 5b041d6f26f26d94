"""The console's pages about what is counted."""

from usage.admin import meters

__all__ = ["meters"]
