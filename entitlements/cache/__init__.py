"""Decisions kept ready to send, in Redis and in each process."""
