"""The catalog: products, prices, features of each product, discounts, meters at Stripe; access
granted by a person.

Owns: products, prices, coupons, promotion codes, policies. Does not own: the access of a product's
holders (`access`), nor planned changes for all holders (`rollouts`)."""
