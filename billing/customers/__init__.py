"""A customer's copy at Stripe, and erasure.

Owns: updates of a customer's copy at Stripe, and erasure of personal data from all rows of billing.
Does not own: customers (`projects`), nor the rows of customers at Stripe (`accounts`)."""
