"""Stripe accounts, the secrets that open them, and who a customer is there.

Owns: keys, webhook secrets and permissions of an account, customers at Stripe. Does not own: which
requests an account may be asked now (`billing.sync.back_off`)."""
