"""Rate limits: how many requests a key, a project, a user or an address may send.

Every process of the web server has token buckets of its own, so that a request needs no round trip.
Once a second the processes add up in Redis what they have let through (``shared_counts``).
"""
