"""Owns the pure core: how facts become a decision, how values merge, how credits are allocated,
and the explanation of both. Does not read the database, settings or the clock."""
