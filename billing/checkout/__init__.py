"""Hosted pages: the request, the order that it comes to, the session at Stripe; carts.

Owns: checkout sessions, carts, discounts of a page, payments of a page. Does not own: what
is sold (`catalog`), nor what it gives (`access`)."""
