"""Owns which records are reported to Stripe, in which meter event, and with what result. Does
not call Stripe (``billing.operations``)."""
