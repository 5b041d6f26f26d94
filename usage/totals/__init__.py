"""Totals of hours and running counters of windows."""
