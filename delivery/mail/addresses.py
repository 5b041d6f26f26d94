"""Mail addresses in one form, so that two spellings of one address are compared as equal."""

import hashlib


def compared_form(address: str) -> str:
    """Lower case, and the domain in ASCII. No provider tells mailboxes apart by case."""
    local, _, domain = address.strip().rpartition("@")
    try:
        domain = domain.rstrip(".").encode("idna").decode()
    except UnicodeError:
        domain = domain.rstrip(".")
    return f"{local}@{domain}".lower()


def digest(address: str) -> str:
    """What is stored of an address that must not get mail."""
    return hashlib.sha256(compared_form(address).encode()).hexdigest()
