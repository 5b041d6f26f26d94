"""Subscription schedules at Stripe: what a subscription will be from its next period on.

A schedule that we create has two phases: the running period as it is, and one period after the
change. Then Stripe releases the subscription, which keeps the changed items.
"""

from collections.abc import Sequence
from typing import Any

from billing.stripe import schedule_phases
from billing.stripe.errors import translate
from billing.stripe.fields import Fields, reference
from billing.stripe.snapshots import ScheduledItemSnapshot

RUNNING = frozenset({"active", "not_started"})


def next_phase(schedule: Any) -> Fields:
    """The phase after the running one, of an expanded schedule; empty without one."""
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
    """Parameters that leave the subscription unchanged until ``ends`` and then bill ``items``.

    They replace everything that was planned. ``items`` as in :func:`schedule_phases.changed_items`;
    ``params`` override what the next phase inherits from the subscription. Nothing is prorated,
    because the change starts with a period. Raises StripeMalformed for a schedule without a running
    phase.
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


def restore_plan(schedule: Fields, subscription: Fields, released: Fields) -> Fields:
    """Parameters that plan in a new ``schedule`` what the ``released`` one had planned.

    Raises StripeMalformed if the released schedule had planned nothing.
    """
    with translate():
        remaining = [
            each for each in released["phases"] if each["end_date"] > released["released_at"]
        ]
        phase, later_phases = remaining[0], remaining[1:]
        if not later_phases:
            raise ValueError(f"{released['id']} had planned nothing.")
        start = _running_phase(schedule)["start_date"]
        return {
            "default_settings": schedule_phases.settings(released["default_settings"]),
            "end_behavior": released["end_behavior"],
            "proration_behavior": "none",
            "phases": [
                schedule_phases.running(subscription, phase, start=start, end=phase["end_date"]),
                *(schedule_phases.copy_phase(each) for each in later_phases),
            ],
        }


def _running_phase(schedule: Fields) -> Fields:
    start = schedule["current_phase"]["start_date"]
    return {each["start_date"]: each for each in schedule["phases"]}[start]  # type: ignore[no-any-return]
