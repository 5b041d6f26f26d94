"""Owns usage records: recording, corrections, retention, and the check of totals against
records. Does not own totals and counters (``totals``) or reporting to Stripe (``reporting``)."""
