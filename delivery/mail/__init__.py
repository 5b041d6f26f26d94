"""Owns notifications to people: which event makes which message, its text in each language, and
sending it at most once, by mail or through Hermes. Does not own the log (``events.log``) and what
the messages are about (``billing``, ``entitlements``, ``projects``)."""
