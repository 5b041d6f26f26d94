"""What runs over everything: reconciliation, the import of a Stripe account, usage that Stripe is
told, and the laws of our own tables.

Owns: passes and their progress, comparison with Stripe, meter events. Does not own: how an object
is read and stored (`billing.sync`), nor what a record of use is (`usage`)."""
