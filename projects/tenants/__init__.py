"""Owns projects and their apps: registration, configuration, suspension, archiving. Does not own
keys or customers."""
