"""Owns the signals to the Temporal workflows that wait for payments. Does not own what a payment is
or when it is paid."""
