"""The bytes of an event, as text that can be shown whatever they are."""

import json

SHOWN = 200_000
"""Characters; the rest is only counted."""


def readable(body: bytes) -> str:
    """Indented when it is JSON; otherwise as it came, with odd bytes escaped."""
    try:
        text = json.dumps(json.loads(body), indent=2, ensure_ascii=False)
        text.encode()  # a lone surrogate is JSON, but no text
    except (ValueError, RecursionError):
        text = body.decode("utf-8", "backslashreplace").replace("\0", "\\0")
    left = len(text) - SHOWN
    return text if left <= 0 else f"{text[:SHOWN]}\n… and {left:,} more characters"
