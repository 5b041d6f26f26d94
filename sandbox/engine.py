"""Moves time and runs the actions that fall due, in order, each at its own second.

Each action is one transaction. A stopped process continues after its last completed action.
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
from sandbox.resources.test_clocks import finish_advance
from sandbox.transaction import EventRequest, Transaction

if TYPE_CHECKING:
    from sandbox.world import World

INCOMPLETE_FOR = 23 * HOUR
RUNNING = ("active", "past_due", "unpaid")

DueTime = Callable[[Transaction, Object], int | None]
Action = Callable[[Transaction, Object], None]


@dataclass(frozen=True)
class TimedAction:
    """An action that time triggers for objects of one kind."""

    kind: str
    due_at: DueTime
    """Due time of a stored object, or None. The object is read-only."""
    run: Action


@dataclass(frozen=True)
class DueAction:
    due_at: int
    account: str
    action: TimedAction
    object_id: str


def advance(world: World, to: int, *, on_step: Callable[[], None] | None = None) -> None:
    """Move the clock to ``to`` and run the actions that fall due until then, in order of time.

    ``on_step`` is called after each action, outside any transaction, for example to deliver
    webhooks. A past ``to`` only runs overdue actions.
    """
    last: DueAction | None = None
    while done := _run_next(world, to):
        _check_progress(last, done)
        last = done
        if on_step:
            on_step()
    if to > world.clock.now():
        world.move_clock(to)


def run_due_actions(world: World) -> None:
    """Run the actions that are due now; for a running clock."""
    advance(world, world.clock.now())


def run_test_clocks(world: World) -> None:
    """Advance each test clock with status ``advancing`` to its target time."""
    last: DueAction | None = None
    while done := _run_next_of_test_clock(world):
        _check_progress(last, done)
        last = done


def next_due_time(world: World) -> int | None:
    """Time of the next due action; None if there is none."""
    with world.lock:
        due_action = _find_next(world)
    return due_action.due_at if due_action else None


def _check_progress(last: DueAction | None, done: DueAction) -> None:
    if done == last:
        raise RuntimeError(f"{done.object_id} is due again at the same second; the engine stops.")


def _run_next(world: World, to: int) -> DueAction | None:
    """Run the earliest action if it is due by ``to``. Returns it."""
    with world.lock:
        if moved := _run_next_of_test_clock(world):
            return moved
        due_action = _find_next(world)
        if due_action is None or due_action.due_at > to:
            return None
        if due_action.due_at > world.clock.now():
            world.move_clock(due_action.due_at)
        with world.transaction(due_action.account) as tx:
            body = tx.get(due_action.action.kind, due_action.object_id)
            assert body, "a due action refers to a stored object"
            due_action.action.run(tx, body)
        return due_action


def _find_next(world: World) -> DueAction | None:
    """The earliest action.

    Within one second: by account, then in the order of ``TIMED_ACTIONS``.
    """
    earliest: DueAction | None = None
    for account in accounts.list_account_ids(world):
        candidate = _find_next_of_account(Transaction(world, account, EventRequest()), clock=None)
        if candidate and (earliest is None or candidate.due_at < earliest.due_at):
            earliest = candidate
    return earliest


def _find_next_of_account(tx: Transaction, *, clock: Object | None) -> DueAction | None:
    """The earliest action of an account, for objects on this test clock, or on none."""
    earliest: DueAction | None = None
    has_clocks = test_clocks.has_clocks(tx)
    for action in TIMED_ACTIONS:
        for object_id, body in tx.world.store.kind(tx.account, action.kind).items():
            due_at = action.due_at(tx, body)
            if due_at is None or (earliest and due_at >= earliest.due_at):
                continue
            if has_clocks and test_clocks.find_clock(tx, body) is not clock:
                continue
            earliest = DueAction(due_at, tx.account, action, object_id)
    return earliest


def _run_next_of_test_clock(world: World) -> DueAction | None:
    """Run the next action of an advancing test clock, or finish its advance."""
    with world.lock:
        for account, clock in test_clocks.list_advancing(world):
            target = test_clocks.target_time(clock)
            due_action = _find_next_of_account(
                Transaction(world, account, EventRequest()), clock=clock
            )
            if due_action is None or due_action.due_at > target:
                due_action = DueAction(target, account, CLOCK_ARRIVAL, clock["id"])
            with world.transaction(account) as tx:
                tx.fixed_time = max(due_action.due_at, clock["frozen_time"])
                tx.param_object(test_clocks.KIND, clock["id"], param="id")["frozen_time"] = (
                    tx.fixed_time
                )
                body = tx.get(due_action.action.kind, due_action.object_id)
                assert body, "a due action refers to a stored object"
                due_action.action.run(tx, body)
            return due_action
    return None


def _session_expiry(tx: Transaction, session: Object) -> int | None:
    return int(session["expires_at"]) if session["status"] == "open" else None


def _refund_decision_time(tx: Transaction, plan: Object) -> int | None:
    return int(plan["due"])


def _coupon_expiry(tx: Transaction, coupon: Object) -> int | None:
    return coupon["redeem_by"] if coupon.get("valid") else None


def _promotion_code_expiry(tx: Transaction, promotion_code: Object) -> int | None:
    return promotion_code["expires_at"] if promotion_code["active"] else None


def _debit_answer_time(tx: Transaction, answer: Object) -> int | None:
    return int(answer["due"])


def _dispute_opening_time(tx: Transaction, planned: Object) -> int | None:
    return int(planned["due"])


def _dispute_deadline(tx: Transaction, dispute: Object) -> int | None:
    waits = dispute["status"] in disputes.ANSWERABLE
    return int(dispute["evidence_details"]["due_by"]) if waits else None


def _incomplete_expiry(tx: Transaction, subscription: Object) -> int | None:
    waits = subscription["status"] == "incomplete"
    return int(subscription["created"]) + INCOMPLETE_FOR if waits else None


def _cancellation_time(tx: Transaction, subscription: Object) -> int | None:
    ended = subscription["status"] in cancellation.ENDED_STATUSES
    return None if ended else subscription["cancel_at"]


def _trial_notice_time(tx: Transaction, subscription: Object) -> int | None:
    if subscription["status"] != "trialing" or subscription_creation.had_trial_notice(
        tx, subscription
    ):
        return None
    return int(subscription["trial_end"]) - subscription_creation.TRIAL_NOTICE_SECONDS


def _trial_end(tx: Transaction, subscription: Object) -> int | None:
    return subscription["trial_end"] if subscription["status"] == "trialing" else None


def _renewal_time(tx: Transaction, subscription: Object) -> int | None:
    if subscription["status"] not in RUNNING:
        return None
    return billing_cycle.next_renewal(subscription)


def _collection_resume_time(tx: Transaction, subscription: Object) -> int | None:
    pause = subscription["pause_collection"]
    return pause["resumes_at"] if pause and subscription["status"] in RUNNING else None


def _phase_end(tx: Transaction, schedule: Object) -> int | None:
    return schedule["current_phase"]["end_date"] if schedule["current_phase"] else None


def _pending_update_expiry(tx: Transaction, record: Object) -> int | None:
    return int(record["expires_at"])


def _finalization_time(tx: Transaction, invoice: Object) -> int | None:
    return invoice["automatically_finalizes_at"] if invoice.get("status") == "draft" else None


def _due_date(tx: Transaction, invoice: Object) -> int | None:
    if invoice.get("status") != "open" or not invoice["due_date"]:
        return None
    subscription = invoices.find_subscription(tx, invoice)
    falls_due = subscription_status.decides_status(subscription, invoice, "active")
    return int(invoice["due_date"]) if falls_due else None


def _overdue_end(tx: Transaction, invoice: Object) -> int | None:
    if invoice.get("status") != "open" or not invoice["due_date"]:
        return None
    saved = billing_settings.read_settings(tx)
    subscription = invoices.find_subscription(tx, invoice)
    if saved["after_overdue"] == "leave_past_due":
        return None
    is_overdue = subscription_status.decides_status(subscription, invoice, "past_due")
    return int(invoice["due_date"]) + saved["overdue_days"] * DAY if is_overdue else None


def _retry_time(tx: Transaction, invoice: Object) -> int | None:
    return invoice["next_payment_attempt"] if invoice.get("status") == "open" else None


CLOCK_ARRIVAL = TimedAction(test_clocks.KIND, lambda tx, clock: None, finish_advance)
TIMED_ACTIONS = (
    TimedAction("checkout.session", _session_expiry, expiry.expire_session),
    TimedAction(refunds.DECISION_RECORD, _refund_decision_time, refunds.apply_decision),
    TimedAction(bank_debits.ANSWER, _debit_answer_time, payments.apply_bank_answer),
    TimedAction(disputes.PLAN, _dispute_opening_time, disputes.open_scheduled_dispute),
    TimedAction(disputes.KIND, _dispute_deadline, disputes.expire_dispute),
    TimedAction(meter_usage.EVENT, meter_usage.report_due_time, meter_usage.report_errors),
    TimedAction("coupon", _coupon_expiry, coupons.expire_coupon),
    TimedAction("promotion_code", _promotion_code_expiry, promotion_codes.expire_code),
    TimedAction("subscription", _incomplete_expiry, cancellation.expire_incomplete),
    TimedAction(pending_updates.KIND, _pending_update_expiry, pending_updates.expire_update),
    TimedAction(subscription_schedules.KIND, _phase_end, subscription_schedules.start_next_phase),
    TimedAction("subscription", _cancellation_time, billing_cycle.cancel_as_scheduled),
    TimedAction("subscription", _collection_resume_time, billing_cycle.resume_collection),
    TimedAction("subscription", _trial_notice_time, subscription_creation.send_trial_notice),
    TimedAction("subscription", _trial_end, billing_cycle.end_trial),
    TimedAction("subscription", _renewal_time, billing_cycle.renew),
    TimedAction("invoice", _finalization_time, billing_cycle.finalize_draft),
    TimedAction("invoice", _retry_time, billing_cycle.retry_payment),
    TimedAction("invoice", _due_date, subscription_status.mark_past_due),
    TimedAction("invoice", _overdue_end, subscription_status.apply_overdue_policy),
)
"""Order within one second: a cancellation comes before a renewal, a renewal before its payment."""
