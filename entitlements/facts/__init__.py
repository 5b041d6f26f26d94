"""Owns the append-only facts of each source, and ``entitlements.changed``. Does not own why a
source states a fact (``grants``, ``free_tier``, ``billing.access``)."""
