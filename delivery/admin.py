"""The console's pages of this app."""

from delivery.mail import admin

__all__ = ["admin"]
