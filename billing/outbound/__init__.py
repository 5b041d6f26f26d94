"""What we ask of Stripe, written down before it is asked (docs/rules.md, R9).

Owns: intents, their leases, and finding out what became of them. Does not own: what a write means
to its subject, which the caller says."""
