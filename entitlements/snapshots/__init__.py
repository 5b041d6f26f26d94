"""Owns signed snapshots of a user's entitlements and the keys that sign them. Does not own the
decisions in them."""
