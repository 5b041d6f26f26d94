"""Invoices with their lines, the payments that settle them and their credit notes.

Owns: the mirror of Stripe's bills. Does not own: what a paid period gives (`access`)."""
