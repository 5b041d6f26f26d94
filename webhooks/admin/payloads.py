"""The body of an event as text that can always be shown."""

import json

SHOWN = 200_000
"""Most characters shown; the rest is only counted."""


def readable(body: bytes) -> str:
    """Indented JSON, or the plain text with undecodable bytes escaped."""
    try:
        text = json.dumps(json.loads(body), indent=2, ensure_ascii=False)
        text.encode()  # a lone surrogate is valid JSON but cannot be encoded
    except (ValueError, RecursionError):
        text = body.decode("utf-8", "backslashreplace").replace("\0", "\\0")
    left = len(text) - SHOWN
    return text if left <= 0 else f"{text[:SHOWN]}\n… and {left:,} more characters"
