"""Hosted pages: what a request asks for, the order that it comes to, the page at Stripe; carts.

Owns: checkout sessions, carts, discounts of a page, payments that a page makes. Does not own: what
is sold (`catalog`), nor what it gives (`access`)."""
