"""Owns the log of events for tenants: recording in the transaction of the change, positions after
the commit, reading in order, retention. Does not own the ways out (``delivery``)."""
