"""Owns credit grants, accounts, the ledger and its postings, and the events about low balances.
Does not own what a purchase gives (``billing.access``) or the arithmetic
(``resolution.credit_allocation``)."""
