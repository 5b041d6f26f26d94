"""Work over all objects: reconciliation, import of a Stripe account, usage reports to Stripe, and
the laws of our own tables.

Owns: passes and their progress, comparison with Stripe, meter events. Does not own: reading and
storing an object (`billing.sync`), nor usage records (`usage`)."""
