"""Hosted checkout pages and carts.

Owns: checkout sessions, carts, discounts of a page, payments of a page. Does not own: products and
prices (`catalog`) and the access that a purchase gives (`access`)."""
