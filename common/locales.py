"""Languages of people, as BCP 47 tags such as ``de-AT``."""

import re

MAX_LENGTH = 35
"""Characters: RFC 5646 recommends to store at least as many."""
_TAG = re.compile(
    r"([a-z]{2,3})(?:-([a-z]{4}))?(?:-([a-z]{2}|[0-9]{3}))?((?:-[a-z0-9]{1,8})*)",
    re.ASCII | re.IGNORECASE,
)


def normalise(tag: str) -> str:
    """The tag in the usual case: ``de-at`` becomes ``de-AT``. Raises ValueError for other texts."""
    match = _TAG.fullmatch(tag)
    if match is None or len(tag) > MAX_LENGTH:
        raise ValueError("Write a language tag such as en, de-AT or zh-Hant-TW.")
    language, script, region, rest = match.groups(default="")
    parts = (language.lower(), script.title(), region.upper(), rest.lower().removeprefix("-"))
    return "-".join(filter(None, parts))
