"""Owns the pages of ``GET /events``: cursors, filters, waiting for new events. Does not own the
log, which all ways out read (``events.log``)."""
