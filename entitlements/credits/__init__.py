"""Credits: grants of them, the ledger, what is spent and what expires."""
