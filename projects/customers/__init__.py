"""Owns customers, the tenant's users: creation, changes, erasure, their version and lock, and
the console's customer page. Does not own what they bought or may do."""
