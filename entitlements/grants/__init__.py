"""Owns access that an operator or the tenant gives or denies by hand. Does not own access from
purchases (``billing.access``) or credits given by hand (``credits``)."""
