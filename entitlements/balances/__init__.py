"""Owns the amounts that complete a decision: usage per period and credit balances, read only.
Does not own the counters (``usage.totals``) or the ledger (``credits``)."""
