"""What recurring billing is made of: periods, amounts, invoices, their collection, the cycle."""
