"""The names by which writes at Stripe are found again."""

import hashlib

LONGEST = 160
"""Characters of a name; a longer one is hashed."""


def purpose_of_change(*, operation: str, target: str, request: str) -> str:
    """The purpose of a change of ``target`` that this ``request`` demands."""
    name = f"{target} {request}"
    if len(name) > LONGEST:
        name = hashlib.sha256(name.encode()).hexdigest()
    return f"{operation} {name}"
