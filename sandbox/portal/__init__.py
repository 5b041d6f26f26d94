"""The customer portal: what it may offer, who visits it, and what visitors do there."""
