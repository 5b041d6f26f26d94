"""Billing settings of an account, which merchants set in Stripe's dashboard."""

from __future__ import annotations

from sandbox.objects import Object
from sandbox.transaction import Transaction

KIND = "_billing_settings"
AFTER_RETRIES = ("cancel", "mark_unpaid", "leave_past_due")
DEFAULTS: Object = {
    "retry_after_days": [3, 5, 7],
    "after_retries": "cancel",
    "overdue_days": 30,
    "after_overdue": "leave_past_due",
}


def read_settings(tx: Transaction) -> Object:
    """Read the settings.

    ``retry_after_days``: days from one attempt to the next, then ``after_retries``.
    ``overdue_days``: days until ``after_overdue`` for sent invoices.
    """
    saved = tx.get(KIND, "settings")
    return DEFAULTS | ({name: saved[name] for name in DEFAULTS} if saved else {})


def change_settings(
    tx: Transaction,
    *,
    retry_after_days: list[int] | None = None,
    after_retries: str | None = None,
    overdue_days: int | None = None,
    after_overdue: str | None = None,
) -> Object:
    """Change the given settings. Raises ``ValueError`` for values that Stripe does not offer."""
    for name, policy in (("after_retries", after_retries), ("after_overdue", after_overdue)):
        if policy is not None and policy not in AFTER_RETRIES:
            raise ValueError(f"{name} is one of {', '.join(AFTER_RETRIES)}.")
    if overdue_days is not None and overdue_days not in (30, 60, 90):
        raise ValueError("overdue_days is 30, 60 or 90.")
    if retry_after_days is not None and not all(1 <= days <= 60 for days in retry_after_days):
        raise ValueError("retry_after_days are whole days between 1 and 60.")
    settings = read_settings(tx)
    if retry_after_days is not None:
        settings["retry_after_days"] = retry_after_days
    chosen = {
        "after_retries": after_retries,
        "overdue_days": overdue_days,
        "after_overdue": after_overdue,
    }
    settings |= {name: value for name, value in chosen.items() if value is not None}
    tx.insert({"object": KIND, "id": "settings", **settings})
    return settings
