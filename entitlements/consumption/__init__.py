"""Owns consume and reserve: a decision and its count or payment in one step, and reservations.
Does not own counters (``usage.totals``) or the ledger (``credits``)."""
