"""Fill in hosted pages through a WSGI client, and read their text."""

import re

GOOD = {
    "email": "ada@example.com",
    "number": "4242 4242 4242 4242",
    "expiry": "12 / 34",
    "cvc": "123",
    "name": "Ada Lovelace",
}


def path(session) -> str:
    return f"/pages/checkout/{session.id}"


def fill(visitor, session, **changes):
    return visitor.post(path(session), data={**GOOD, **changes})


def page_text(response) -> str:
    """The text of the page, without tags and styles."""
    page = re.sub(r"<style>.*?</style>", "", response.text, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())
