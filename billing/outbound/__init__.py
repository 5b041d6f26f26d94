"""Writes at Stripe, each stored as an intent before it is sent (docs/rules.md, R9).

Owns: intents, their leases and their resolution. Does not own: what a write means to its subject;
the caller knows that."""
