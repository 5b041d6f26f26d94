"""A customer's copy at Stripe, and erasure.

Owns: telling Stripe what the project says of a customer, and taking a person out of every row of
billing. Does not own: customers (`projects`), nor which customer of Stripe one is (`accounts`)."""
