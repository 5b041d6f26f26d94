"""Owns hourly totals and the counters that limits are compared with, and check-and-count. Does
not own records (``records``) or the limits (``entitlements``)."""
