"""Shared parts of the operators' console; the pages of a subject are in its own app's ``admin``."""
