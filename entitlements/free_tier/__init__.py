"""Owns the features that every customer of a project has, and the recheck of all customers after
a change. Does not own decisions or events (``facts.notices``)."""
