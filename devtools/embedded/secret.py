"""Secrets of a development machine: generated once, stored in private files, never in the code."""

import base64
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


def read_or_create(path: Path, *, make: Callable[[], str]) -> str:
    """Content of the file; without one, create it with `make`. Concurrent processes get the same
    content."""
    if not path.exists():
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(make())
        with suppress(FileExistsError):
            path.hardlink_to(draft)
        draft.unlink()
    return path.read_text()


def development_secrets(var: Path) -> dict[str, str]:
    """The secrets in `var/dev.env`, by the names of the environment variables that override
    them."""
    var.mkdir(exist_ok=True)
    lines = read_or_create(var / "dev.env", make=_new_secrets).splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def _new_secrets() -> str:
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    values = {
        "SECRET_KEY": secrets.token_urlsafe(50),
        "ENCRYPTION_KEYS": f"dev1:{key}",
        "STRIPE_SECRET_KEY": f"sk_test_{secrets.token_hex(24)}",
        "STRIPE_PUBLISHABLE_KEY": f"pk_test_{secrets.token_hex(24)}",
        "STRIPE_WEBHOOK_SECRETS": f"whsec_{secrets.token_hex(24)}",
        "OPERATOR_PASSWORD": secrets.token_urlsafe(12),
    }
    body = "".join(f"{name}={value}\n" for name, value in values.items())
    return f"# Generated for this checkout. Delete the file (and the data) to start again.\n{body}"
