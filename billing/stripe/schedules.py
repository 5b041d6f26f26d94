"""Subscription schedules at Stripe: what a subscription will be from its next period on.

A schedule that we make has two phases: the running period as it is, and one period of what comes
after it. Then Stripe releases the subscription, which goes on as it is by then.
"""

from collections.abc import Sequence
from typing import Any

from billing.stripe import schedule_phases
from billing.stripe.errors import translate
from billing.stripe.fields import Fields, reference
from billing.stripe.snapshots import ScheduledItemSnapshot

RUNNING = frozenset({"active", "not_started"})


def next_phase(schedule: Any) -> Fields:
    """The phase that follows the running one, of an expanded schedule; empty if none does."""
    if not isinstance(schedule, dict) or schedule.get("status") not in RUNNING:
        return {}
    after = (schedule.get("current_phase") or {}).get("end_date") or 0
    phases: list[Fields] = schedule.get("phases") or []
    return next((phase for phase in phases if phase["start_date"] >= after), {})


def items(phase: Fields) -> tuple[ScheduledItemSnapshot, ...]:
    return tuple(
        ScheduledItemSnapshot(
            price_stripe_id=reference(each["price"]) or "",
            quantity=1 if each.get("quantity") is None else each["quantity"],
        )
        for each in phase.get("items") or ()
    )


def changed_at_renewal(
    schedule: Fields,
    subscription: Fields,
    *,
    ends: int,
    items: Sequence[tuple[str, Fields]],
    interval: str,
    interval_count: int,
    params: Fields,
) -> Fields:
    """Parameters that leave the subscription as it is until ``ends`` and then bill ``items``.

    ``items``: as for :func:`schedule_phases.changed_items`; ``params`` of the next phase go before
    what it takes over from the subscription. They replace whatever was planned before. Nothing is
    prorated: a period is over. Raises StripeMalformed for a schedule without a running phase.
    """
    with translate():
        phase = _running_phase(schedule)
        start = phase["start_date"]
        return {
            "default_settings": schedule_phases.settings(subscription),
            "end_behavior": "release",
            "proration_behavior": "none",
            "phases": [
                schedule_phases.running(subscription, phase, start=start, end=ends),
                {
                    "items": schedule_phases.changed_items(subscription, items),
                    "duration": {"interval": interval, "interval_count": interval_count},
                    "proration_behavior": "none",
                    **schedule_phases.inherited(subscription),
                    **params,
                },
            ],
        }


def again(schedule: Fields, subscription: Fields, released: Fields) -> Fields:
    """Parameters that plan in the new ``schedule`` what a ``released`` one had planned.

    Raises StripeMalformed for a released schedule that had planned nothing.
    """
    with translate():
        left = [each for each in released["phases"] if each["end_date"] > released["released_at"]]
        phase, following = left[0], left[1:]
        if not following:
            raise ValueError(f"{released['id']} had planned nothing.")
        start = _running_phase(schedule)["start_date"]
        return {
            "default_settings": schedule_phases.settings(released["default_settings"]),
            "end_behavior": released["end_behavior"],
            "proration_behavior": "none",
            "phases": [
                schedule_phases.running(subscription, phase, start=start, end=phase["end_date"]),
                *(schedule_phases.again(each) for each in following),
            ],
        }


def _running_phase(schedule: Fields) -> Fields:
    began = schedule["current_phase"]["start_date"]
    return {each["start_date"]: each for each in schedule["phases"]}[began]  # type: ignore[no-any-return]
