"""Moves time: everything that falls due on the way happens, in order, at its own second.

Each thing is one transaction. A world that is stopped between two of them goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox import accounts, bank_debits, disputes, meter_usage, payments, test_clocks
from sandbox.billing import (
    billing_cycle,
    billing_settings,
    cancellation,
    invoices,
    pending_updates,
    subscription_creation,
    subscription_schedules,
    subscription_status,
)
from sandbox.billing.billing_periods import DAY, HOUR
from sandbox.checkout import expiry
from sandbox.objects import Object
from sandbox.resources import coupons, promotion_codes, refunds
from sandbox.resources.test_clocks import arrive
from sandbox.transaction import Cause, Transaction

if TYPE_CHECKING:
    from sandbox.world import World

INCOMPLETE_FOR = 23 * HOUR
RUNNING = ("active", "past_due", "unpaid")

Due = Callable[[Transaction, Object], int | None]
Act = Callable[[Transaction, Object], None]


@dataclass(frozen=True)
class Duty:
    """One thing that time brings about for objects of a kind."""

    kind: str
    due: Due
    """When; None if this object does not wait for it. Sees the stored object: look, don't touch."""
    act: Act


@dataclass(frozen=True)
class Appointment:
    moment: int
    account: str
    duty: Duty
    id: str


def advance(world: World, to: int, *, on_step: Callable[[], None] | None = None) -> None:
    """Move the clock to the moment; what falls due until then happens, in order of time.

    ``on_step`` is called after each of these things, outside of any transaction, to deliver
    webhooks for example. A moment in the past only does what is overdue.
    """
    last: Appointment | None = None
    while done := _step(world, to):
        _check_moves(last, done)
        last = done
        if on_step:
            on_step()
    if to > world.clock.now():
        world.move_clock(to)


def catch_up(world: World) -> None:
    """Do what is due by now: for a clock that runs by itself."""
    advance(world, world.clock.now())


def run_test_clocks(world: World) -> None:
    """Bring the test clocks that were advanced to where they were sent."""
    last: Appointment | None = None
    while done := _step_of_clock(world):
        _check_moves(last, done)
        last = done


def next_due(world: World) -> int | None:
    """When the next thing falls due, if any waits."""
    with world.lock:
        found = _next(world)
    return found.moment if found else None


def _check_moves(last: Appointment | None, done: Appointment) -> None:
    if done == last:
        raise RuntimeError(f"{done.id} is due again at the same moment; the engine stops.")


def _step(world: World, to: int) -> Appointment | None:
    """Keep the earliest appointment, unless it lies after the moment."""
    with world.lock:
        if moved := _step_of_clock(world):
            return moved
        found = _next(world)
        if found is None or found.moment > to:
            return None
        if found.moment > world.clock.now():
            world.move_clock(found.moment)
        with world.transaction(found.account) as tx:
            body = tx.get(found.duty.kind, found.id)
            assert body, "an appointment names what is stored"
            found.duty.act(tx, body)
        return found


def _next(world: World) -> Appointment | None:
    """The earliest appointment; at the same second by account, then in the order of ``DUTIES``."""
    earliest: Appointment | None = None
    for account in accounts.ids(world):
        found = _next_of(Transaction(world, account, Cause()), clock=None)
        if found and (earliest is None or found.moment < earliest.moment):
            earliest = found
    return earliest


def _next_of(tx: Transaction, *, clock: Object | None) -> Appointment | None:
    """The earliest appointment of an account, among what lives by this clock or by none."""
    earliest: Appointment | None = None
    has_clocks = test_clocks.any_clocks(tx)
    for duty in DUTIES:
        for id, body in tx.world.store.kind(tx.account, duty.kind).items():
            moment = duty.due(tx, body)
            if moment is None or (earliest and moment >= earliest.moment):
                continue
            if has_clocks and test_clocks.clock_of(tx, body) is not clock:
                continue
            earliest = Appointment(moment, tx.account, duty, id)
    return earliest


def _step_of_clock(world: World) -> Appointment | None:
    """Keep the next appointment of a test clock on its way, or let it arrive."""
    with world.lock:
        for account, clock in test_clocks.advancing(world):
            target = test_clocks.target_of(clock)
            found = _next_of(Transaction(world, account, Cause()), clock=clock)
            if found is None or found.moment > target:
                found = Appointment(target, account, ARRIVAL, clock["id"])
            with world.transaction(account) as tx:
                tx.at = max(found.moment, clock["frozen_time"])
                tx.param_object(test_clocks.KIND, clock["id"], param="id")["frozen_time"] = tx.at
                body = tx.get(found.duty.kind, found.id)
                assert body, "an appointment names what is stored"
                found.duty.act(tx, body)
            return found
    return None


def _session_expires(tx: Transaction, session: Object) -> int | None:
    return int(session["expires_at"]) if session["status"] == "open" else None


def _refund_decided(tx: Transaction, plan: Object) -> int | None:
    return int(plan["due"])


def _coupon_expires(tx: Transaction, coupon: Object) -> int | None:
    return coupon["redeem_by"] if coupon.get("valid") else None


def _code_expires(tx: Transaction, promotion_code: Object) -> int | None:
    return promotion_code["expires_at"] if promotion_code["active"] else None


def _debit_answered(tx: Transaction, answer: Object) -> int | None:
    return int(answer["due"])


def _dispute_opens(tx: Transaction, planned: Object) -> int | None:
    return int(planned["due"])


def _dispute_runs_out(tx: Transaction, dispute: Object) -> int | None:
    waits = dispute["status"] in disputes.ANSWERABLE
    return int(dispute["evidence_details"]["due_by"]) if waits else None


def _incomplete_expires(tx: Transaction, subscription: Object) -> int | None:
    waits = subscription["status"] == "incomplete"
    return int(subscription["created"]) + INCOMPLETE_FOR if waits else None


def _ends(tx: Transaction, subscription: Object) -> int | None:
    ended = subscription["status"] in cancellation.ENDED
    return None if ended else subscription["cancel_at"]


def _trial_notice(tx: Transaction, subscription: Object) -> int | None:
    if subscription["status"] != "trialing" or subscription_creation.had_trial_notice(
        tx, subscription
    ):
        return None
    return int(subscription["trial_end"]) - subscription_creation.TRIAL_NOTICE


def _trial_ends(tx: Transaction, subscription: Object) -> int | None:
    return subscription["trial_end"] if subscription["status"] == "trialing" else None


def _renews(tx: Transaction, subscription: Object) -> int | None:
    if subscription["status"] not in RUNNING:
        return None
    return billing_cycle.next_renewal(subscription)


def _collection_resumes(tx: Transaction, subscription: Object) -> int | None:
    pause = subscription["pause_collection"]
    return pause["resumes_at"] if pause and subscription["status"] in RUNNING else None


def _phase_ends(tx: Transaction, schedule: Object) -> int | None:
    return schedule["current_phase"]["end_date"] if schedule["current_phase"] else None


def _change_given_up(tx: Transaction, record: Object) -> int | None:
    return int(record["expires_at"])


def _finalizes(tx: Transaction, invoice: Object) -> int | None:
    return invoice["automatically_finalizes_at"] if invoice.get("status") == "draft" else None


def _falls_due(tx: Transaction, invoice: Object) -> int | None:
    if invoice.get("status") != "open" or not invoice["due_date"]:
        return None
    subscription = invoices.subscription_of(tx, invoice)
    falls_due = subscription_status.falls_due(subscription, invoice, "active")
    return int(invoice["due_date"]) if falls_due else None


def _overdue_ends(tx: Transaction, invoice: Object) -> int | None:
    if invoice.get("status") != "open" or not invoice["due_date"]:
        return None
    saved = billing_settings.read(tx)
    subscription = invoices.subscription_of(tx, invoice)
    if saved["after_overdue"] == "leave_past_due":
        return None
    is_overdue = subscription_status.falls_due(subscription, invoice, "past_due")
    return int(invoice["due_date"]) + saved["overdue_days"] * DAY if is_overdue else None


def _retried(tx: Transaction, invoice: Object) -> int | None:
    return invoice["next_payment_attempt"] if invoice.get("status") == "open" else None


ARRIVAL = Duty(test_clocks.KIND, lambda tx, clock: None, arrive)
DUTIES = (
    Duty("checkout.session", _session_expires, expiry.expire),
    Duty(refunds.PLAN, _refund_decided, refunds.decide),
    Duty(bank_debits.ANSWER, _debit_answered, payments.conclude),
    Duty(disputes.PLAN, _dispute_opens, disputes.open_planned),
    Duty(disputes.KIND, _dispute_runs_out, disputes.run_out),
    Duty(meter_usage.EVENT, meter_usage.report_due, meter_usage.report),
    Duty("coupon", _coupon_expires, coupons.expire),
    Duty("promotion_code", _code_expires, promotion_codes.expire),
    Duty("subscription", _incomplete_expires, cancellation.expire),
    Duty(pending_updates.KIND, _change_given_up, pending_updates.expire),
    Duty(subscription_schedules.KIND, _phase_ends, subscription_schedules.follow),
    Duty("subscription", _ends, billing_cycle.end_as_planned),
    Duty("subscription", _collection_resumes, billing_cycle.resume_collection),
    Duty("subscription", _trial_notice, subscription_creation.give_trial_notice),
    Duty("subscription", _trial_ends, billing_cycle.end_trial),
    Duty("subscription", _renews, billing_cycle.renew),
    Duty("invoice", _finalizes, billing_cycle.finalize),
    Duty("invoice", _retried, billing_cycle.retry),
    Duty("invoice", _falls_due, subscription_status.become_past_due),
    Duty("invoice", _overdue_ends, subscription_status.give_up_overdue),
)
"""In this order within one second: an end comes before a renewal, a renewal before its payment."""
