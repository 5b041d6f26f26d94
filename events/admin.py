"""The console's read-only pages about events and the audit trail."""

from events.audit import admin as audit
from events.log import admin as log

__all__ = ["audit", "log"]
