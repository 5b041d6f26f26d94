"""Stripe accounts, their secrets, and customers at Stripe.

Owns: keys, webhook secrets and permissions of an account, customers at Stripe. Does not own: the
request budget and the back-off of an account (`billing.stripe`, `billing.sync`)."""
