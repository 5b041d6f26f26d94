"""``make load``: the product with many tenants of four kinds under a mixed load, for minutes.

It measures what one request after another cannot: how evenly tenants are served, whether memory
stays flat, whether every queue is empty afterwards, and whether what was stored is what was sent.
"""
