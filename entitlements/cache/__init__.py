"""Owns cached decisions, in Redis and in each process, and their invalidation. Does not own the
decisions, nor the two-second hash of usage figures (``usage.totals.cache``)."""
