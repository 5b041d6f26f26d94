"""The digest of what was read from Stripe: an equal digest means that applying it changes nothing.

Most events are about a state that was applied already: the buyer's return from the page has read
it, or the event before. The digest covers the code that applies a snapshot as well, so each release
applies every object once more.
"""

from hashlib import blake2b
from pathlib import Path

from billing.stripe.snapshots import StripeSnapshot

DIGEST_BYTES = 16
RULES = ("billing", "entitlements")
"""The packages whose code decides what follows from a snapshot."""


def digest(snapshot: StripeSnapshot) -> bytes:
    """Sixteen bytes that stand for the snapshot, its kind and the code of this process.

    The representation names the class and every member that is compared, and exists even for text
    that UTF-8 cannot encode.
    """
    return blake2b(repr(snapshot).encode(), digest_size=DIGEST_BYTES, key=CODE).digest()


def _digest_code() -> bytes:
    """Read when the process starts: a later change of the files is not the code that runs."""
    root = Path(__file__).resolve().parents[2]
    content = blake2b(digest_size=DIGEST_BYTES)
    for package in RULES:
        for path in sorted((root / package).rglob("*.py")):
            content.update(path.read_bytes())
    return content.digest()


CODE = _digest_code()
