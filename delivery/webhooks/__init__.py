"""Owns the endpoints of tenants and every delivery of an event to one of them. Does not own
connections: the sender's child process does (``delivery.sender``)."""
