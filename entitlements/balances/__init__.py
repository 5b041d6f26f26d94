"""How much was used and how many credits are left: what completes a decision."""
