"""Subscription schedules at Stripe: what a subscription will be from its next period on.

A schedule that we make has two phases: the running period as it is, and one period of what comes
after it. Then Stripe releases the subscription, which goes on as it is by then.
"""

from typing import Any

from stripe import StripeClient

from billing.stripe.errors import translate
from billing.stripe.fields import Fields, named, reference
from billing.stripe.snapshots import ScheduledItemSnapshot

RUNNING = frozenset({"active", "not_started"})
KEPT = ("start_date", "trial_end", "metadata")
"""What a phase that is sent back has to say again, or Stripe would change it."""


def retrieve(client: StripeClient, stripe_id: str) -> Fields:
    """What Stripe says now, as plain fields. Raises StripeObjectMissing."""
    with translate():
        schedule = client.v1.subscription_schedules.retrieve(stripe_id)
        return named(schedule, "subscription_schedule", stripe_id)


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
    *,
    ends: int,
    items: list[Fields],
    interval: str,
    interval_count: int,
    params: Fields,
) -> Fields:
    """Parameters that leave the running phase as it is until ``ends`` and then bill ``items``,
    with ``params`` of the next phase.

    They replace whatever was planned before. Nothing is prorated: a period is over. Raises
    StripeMalformed for a schedule that has no running phase.
    """
    with translate():
        phase = _running_phase(schedule)
        kept, discounts = _again(phase), _discounts(phase)
    return {
        "end_behavior": "release",
        "proration_behavior": "none",
        "phases": [
            {**kept, "end_date": ends, "proration_behavior": "none"},
            {
                "items": items,
                "duration": {"interval": interval, "interval_count": interval_count},
                "proration_behavior": "none",
                **discounts,
                **params,
            },
        ],
    }


def again(released: Fields) -> Fields:
    """Parameters that plan what a released schedule had planned: what runs, and what follows.

    Raises StripeMalformed for a schedule that had planned nothing.
    """
    with translate():
        running, following = released["phases"][-2:]
        phases = [{**_again(each), "end_date": each["end_date"]} for each in (running, following)]
    return {
        "end_behavior": "release",
        "proration_behavior": "none",
        "phases": [{**phase, "proration_behavior": "none"} for phase in phases],
    }


def _running_phase(schedule: Fields) -> Fields:
    began = schedule["current_phase"]["start_date"]
    return {each["start_date"]: each for each in schedule["phases"]}[began]  # type: ignore[no-any-return]


def _again(phase: Fields) -> Fields:
    kept = {name: phase[name] for name in KEPT if phase.get(name)}
    kept["items"] = [
        {
            "price": reference(each["price"]),
            **({} if each.get("quantity") is None else {"quantity": each["quantity"]}),
        }
        for each in phase["items"]
    ]
    return {**kept, **_discounts(phase)}


def _discounts(phase: Fields) -> Fields:
    """Those of a phase, named as they are to be sent; nothing when it has none."""
    named = [
        {name: reference(each[name]) for name in ("discount", "coupon") if each.get(name)}
        for each in phase.get("discounts") or ()
    ]
    first = [dict([next(iter(each.items()))]) for each in named if each]
    return {"discounts": first} if first else {}
