"""Kills and freezes of the processes that bring events out, at every step of their work."""
