"""Lanes of requests whose project is not known (``common.request_threads``)."""

from zlib import crc32

LANES = 16
"""Lanes of all addresses together. Somebody with any number of addresses has these at most, so a
project waits for as many requests before its turn."""


def lane_of_address(address: str) -> str:
    """The lane of a caller who is known by the address alone."""
    return f"address {crc32(address.encode('utf-8', 'replace')) % LANES}"
