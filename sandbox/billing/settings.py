"""How an account collects: the choices a merchant makes in Stripe's dashboard."""

from __future__ import annotations

from sandbox.objects import Object
from sandbox.transaction import Transaction

KIND = "_billing_settings"
AFTER_RETRIES = ("cancel", "mark_unpaid", "leave_past_due")
DEFAULTS: Object = {"retry_after_days": [3, 5, 7], "after_retries": "cancel"}


def read(tx: Transaction) -> Object:
    """``retry_after_days``: each counted from the attempt before; ``after_retries``: what then."""
    saved = tx.get(KIND, "settings")
    return DEFAULTS | ({name: saved[name] for name in DEFAULTS} if saved else {})


def change(
    tx: Transaction,
    *,
    retry_after_days: list[int] | None = None,
    after_retries: str | None = None,
) -> Object:
    """Change what is given. Raises ``ValueError`` for what Stripe's dashboard does not offer."""
    if after_retries is not None and after_retries not in AFTER_RETRIES:
        raise ValueError(f"after_retries is one of {', '.join(AFTER_RETRIES)}.")
    if retry_after_days is not None and not all(1 <= days <= 60 for days in retry_after_days):
        raise ValueError("retry_after_days are whole days between 1 and 60.")
    settings = read(tx)
    if retry_after_days is not None:
        settings["retry_after_days"] = retry_after_days
    if after_retries is not None:
        settings["after_retries"] = after_retries
    tx.insert({"object": KIND, "id": "settings", **settings})
    return settings
