"""Stripe's invoices with their lines, payments and credit notes.

Owns: the mirror of Stripe's invoices. Does not own: the access of a paid period (`access`)."""
