"""Owns ``Idempotency-Key``: locks, stored responses and their expiry. Does not own idempotency
towards Stripe (``billing.outbound``)."""
