"""Signed snapshots of what a customer may do, and the keys that sign them."""
