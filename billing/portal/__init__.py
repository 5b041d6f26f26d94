"""Stripe's customer portal, as a project has set it up.

Owns: portal settings, their configuration at Stripe, sending a user there. Does not own: what
becomes of what users do there; that arrives by webhook like everything else."""
