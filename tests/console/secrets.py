"""Secrets that a dialog shows once."""

import re

from django.http import HttpResponse

SECRET = re.compile(r"tg_(?:test|live|platform)_[A-Za-z0-9_\-]{43}")


def secret_in(answer: HttpResponse) -> str:
    """Return the only secret on the page."""
    assert answer.status_code == 200
    [secret] = SECRET.findall(answer.text)
    return str(secret)
