"""Owns ``usage.threshold_reached`` and ``usage.limit_reached``. Does not own the usage that
triggers them (``usage.records``)."""
