"""Gauges of work that waits, is parked or is late. Each function makes a fixed number of indexed
queries, however much waits."""

from collections.abc import Iterable
from datetime import datetime

from prometheus_client.metrics_core import Metric

from billing.accounts.selectors import stripe_accounts
from billing.models.stripe_intent import IntentState
from billing.models.sync_object import ObjectKind
from billing.outbound import selectors as intents
from billing.stripe import budget
from billing.sync.selectors import back_offs, missing_objects, sync_objects
from common import fair_queue, heartbeats
from common.chore_runs import chore_runs, read_beats_and_pauses
from config.metrics.gauge import gauge, single
from delivery import ways_out
from delivery.webhooks.selectors import endpoints
from events.log import selectors as event_log
from usage.reporting import selectors as forwarding
from webhooks.selectors import inbound_events


def gauge_ways_out(at: datetime) -> Iterable[Metric]:
    """The log, and how far every way out of it is behind."""
    ways = [({"way": way.name, "target": way.title}, way) for way in ways_out.all_ways(at=at)]
    conditions = endpoints.count_by_condition().items()
    return [
        gauge("way_out_waiting", "What is not done yet.", [(of, w.waiting) for of, w in ways]),
        gauge(
            "way_out_age_seconds",
            "Age of the oldest of it.",
            [(of, w.age.total_seconds()) for of, w in ways],
        ),
        gauge("way_out_parked", "What waits for a person.", [(of, w.stuck) for of, w in ways]),
        single(
            "log_age_seconds",
            "Age of the oldest event that has no position in the log.",
            _age(event_log.oldest_pending(), at),
        ),
        gauge(
            "webhook_endpoints",
            "Endpoints of projects: working, failing, or disabled because of failures.",
            [({"condition": condition}, count) for condition, count in conditions],
        ),
    ]


def gauge_inbound(at: datetime) -> Iterable[Metric]:
    """Stripe's events, and the objects that must be read again because of them."""
    counts = {(s, k): (n, oldest) for s, k, n, oldest in sync_objects.unfinished_by_kind()}
    keys = [(state, kind.value) for state in ("waiting", "parked") for kind in ObjectKind]
    return [
        single(
            "stripe_event_waiting_seconds",
            "Time since the oldest event arrived that is not applied.",
            _age(inbound_events.oldest_waiting(), at),
        ),
        single(
            "stripe_events_quarantined",
            "Stored events that could not be used.",
            inbound_events.count_quarantined(),
        ),
        gauge(
            "sync_objects",
            "Stripe objects that must be read again, and parked ones, which wait for a person.",
            [
                ({"state": state, "kind": kind}, counts.get((state, kind), (0,))[0])
                for state, kind in keys
            ],
        ),
        single(
            "missing_objects",
            "Objects that Stripe does not know any more and that wait for a decision.",
            missing_objects.waiting(),
        ),
    ]


def gauge_intents(at: datetime) -> Iterable[Metric]:
    """Writes at Stripe whose result is not known, or that are parked."""
    by_state = intents.open_by_state()
    states = (IntentState.PLANNED, IntentState.SENT, IntentState.UNKNOWN, IntentState.PARKED)
    return [
        gauge(
            "intents",
            "Writes at Stripe by state; those that have ended are not counted.",
            [({"state": state.value}, by_state.get(state, (0,))[0]) for state in states],
        ),
        gauge(
            "intent_age_seconds",
            "Age of the oldest write at Stripe by state.",
            [
                (
                    {"state": state.value},
                    _age(by_state[state][1] if state in by_state else None, at),
                )
                for state in states
            ],
        ),
    ]


def gauge_stripe(at: datetime) -> Iterable[Metric]:
    """Accounts that Stripe does not answer as it should, and usage to report to it."""
    codes = {"stripe-key-refused": 0, "stripe-permission-missing": 0, "stripe-unavailable": 0}
    status = forwarding.forwarding_status()
    accounts = stripe_accounts.with_key()
    return [
        gauge(
            "stripe_accounts_failing",
            "Stripe accounts whose requests wait after a failure, by the code of the error.",
            [({"code": code}, n) for code, n in (codes | back_offs.accounts_by_code()).items()],
        ),
        single(
            "stripe_accounts_mismatched",
            "Secret keys that open another Stripe account than before.",
            stripe_accounts.mismatched(),
        ),
        single(
            "stripe_accounts_lacking_permissions",
            "Restricted keys that lack a permission.",
            sum(1 for account in accounts if account.missing_permissions),
        ),
        single(
            "stripe_budget_left_ratio",
            "What is left of the budget of reads, of the account with the least.",
            min(budget.shares_left(accounts).values(), default=1.0),
        ),
        gauge(
            "usage_records",
            "Usage that is not reported to Stripe yet, and usage that Stripe refused.",
            [({"state": "waiting"}, status.waiting), ({"state": "refused"}, status.refused)],
        ),
        single(
            "usage_age_seconds",
            "Time since the oldest usage was recorded that is not reported.",
            _age(status.oldest, at),
        ),
    ]


def gauge_queues(at: datetime) -> Iterable[Metric]:
    """Subjects of all queues that failed."""
    failures = fair_queue.failures_by_queue().items()
    states = [({"queue": q, "state": "waiting"}, f.waiting) for q, f in failures]
    states += [({"queue": q, "state": "parked"}, f.parked) for q, f in failures]
    return [
        gauge("queue_failures", "Subjects that wait for another try, or are parked.", states),
        gauge(
            "queue_failing_seconds",
            "How long the subject fails that has failed for longest.",
            [({"queue": q}, _age(f.oldest, at)) for q, f in failures],
        ),
    ]


def gauge_chores(at: datetime) -> Iterable[Metric]:
    """Periodic tasks (the nets among them) and the processes that run them."""
    beats, paused = read_beats_and_pauses()
    runs = chore_runs(beats, at=at, paused=paused)
    processes = (heartbeats.PIPELINE, heartbeats.WORKER, heartbeats.DISPATCHER)
    return [
        gauge(
            "chore_last_run_timestamp_seconds",
            "When the last run of a task ended, in any process.",
            [({"task": run.task}, run.last_run.timestamp()) for run in runs if run.last_run],
        ),
        gauge(
            "chore_lag_seconds",
            "Time since a task has been due; 0 if it is not.",
            [({"task": run.task}, run.lag.total_seconds()) for run in runs],
        ),
        gauge(
            "chore_late",
            "1 if a task is overdue by more than its patience, or has never run.",
            [({"task": run.task}, float(run.is_late)) for run in runs],
        ),
        gauge(
            "chore_paused",
            "1 if operators have paused a task, which is not late then.",
            [({"task": run.task}, float(run.is_paused)) for run in runs],
        ),
        gauge(
            "heartbeat_timestamp_seconds",
            "Last sign of life: of any worker, any sender, and beat with broker and worker.",
            [({"process": name}, beats[name].timestamp()) for name in processes if name in beats],
        ),
    ]


def _age(since: datetime | None, at: datetime) -> float:
    return 0.0 if since is None else max(0.0, (at - since).total_seconds())
