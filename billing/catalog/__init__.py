"""What a project sells, what each product entitles to, discounts, meters at Stripe; access
given by hand.

Owns: products, prices, coupons, promotion codes, policies. Does not own: what holders of a product
get (`access`), nor changes for all of them at a chosen time (`rollouts`)."""
