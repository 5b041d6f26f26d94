"""One Stripe resource per file; ``registry`` lists them."""
