"""Operators pause chores: beat, pollers and workers stop running them, and none is late."""

import threading
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import DatabaseError, connection
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from common import chore_pauses, heartbeats
from common.chore_pauses import PausedTasks, paused_tasks
from common.chore_runs import chore_runs
from config import poller
from config.celery import app
from config.clock import BeatScheduler
from config.poller import Poll
from console import chore_decisions
from console.chore_decisions import ChoreUnpausable
from events.models import AuditEntry
from tests.monitoring.scrapes import scrape

CHORE = "billing.close_carts"
POLLED_CHORE = "billing.roll_out"


@pytest.fixture(autouse=True)
def _forget_pauses() -> None:
    paused_tasks.forget()


def stored(task: str) -> PeriodicTask:
    chore_pauses.store_schedule(settings.CELERY_BEAT_SCHEDULE)
    row: PeriodicTask = PeriodicTask.objects.get(task=task)
    return row


def pause(task: str) -> None:
    chore_decisions.pause(
        chore=stored(task), actor="operator:ada", reason="A fault.", at=timezone.now()
    )


def resume(task: str) -> None:
    chore_decisions.resume(
        chore=stored(task), actor="operator:ada", reason="It is over.", at=timezone.now()
    )


class DatabaseAway:
    """Every statement of this process fails, as if PostgreSQL were away."""

    def __enter__(self) -> None:
        self.wrapper = connection.execute_wrapper(self._fail)
        self.wrapper.__enter__()

    def __exit__(self, *error: object) -> None:
        self.wrapper.__exit__(None, None, None)

    def _fail(self, *arguments: object) -> None:
        raise DatabaseError("away")


def tasks_of(scheduler: BeatScheduler) -> set[str]:
    scheduler.look_now()
    return {str(entry.task) for entry in scheduler.schedule.values()}


ALL = {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}


def test_the_stored_list_follows_the_code_and_keeps_pauses(db: None) -> None:
    pause(CHORE)
    interval = stored(CHORE).interval
    PeriodicTask.objects.create(name="of an older version", task="gone", interval=interval)
    PeriodicTask.objects.filter(task="billing.sync").update(expire_seconds=99)
    chore_pauses.store_schedule(settings.CELERY_BEAT_SCHEDULE)
    rows = {row.task: row for row in PeriodicTask.objects.select_related("interval")}
    assert set(rows) == ALL
    assert [task for task, row in rows.items() if not row.enabled] == [CHORE]
    sync = rows["billing.sync"]
    assert sync.interval is not None
    assert (sync.interval.every, sync.expire_seconds) == (5, 5)


def test_storing_an_unchanged_list_writes_nothing(db: None) -> None:
    stored(CHORE)
    before = list(PeriodicTask.objects.order_by("pk").values())
    chore_pauses.store_schedule(settings.CELERY_BEAT_SCHEDULE)
    assert list(PeriodicTask.objects.order_by("pk").values()) == before


def test_beat_sends_no_paused_chore(transactional_db: None) -> None:
    scheduler = BeatScheduler(app)
    assert tasks_of(scheduler) == ALL
    pause(CHORE)
    assert tasks_of(scheduler) == ALL - {CHORE}
    assert tasks_of(BeatScheduler(app)) == ALL - {CHORE}
    resume(CHORE)
    assert tasks_of(scheduler) == ALL


def test_beat_starts_and_goes_on_without_the_database(transactional_db: None) -> None:
    """It sends everything; a pause counts once the database is back, and again when it is away."""
    pause(CHORE)
    with DatabaseAway():
        scheduler = BeatScheduler(app)
        assert tasks_of(scheduler) == ALL
        scheduler.sync()
    assert tasks_of(scheduler) == ALL - {CHORE}
    with DatabaseAway():
        assert tasks_of(scheduler) == ALL - {CHORE}


def test_beat_remembers_when_it_sent_a_chore(transactional_db: None) -> None:
    """After a restart an hourly chore is not sent before its hour is over."""
    scheduler = BeatScheduler(app)
    scheduler.look_now()
    [entry] = [each for each in scheduler.schedule.values() if each.task == CHORE]
    scheduler.reserve(entry)
    scheduler.sync()
    row = PeriodicTask.objects.get(task=CHORE)
    assert (row.total_run_count, row.enabled) == (1, True)
    again = BeatScheduler(app)
    again.look_now()
    [entry] = [each for each in again.schedule.values() if each.task == CHORE]
    assert entry.last_run_at == row.last_run_at
    is_due, _ = entry.is_due()
    assert not is_due


def test_storing_the_last_run_does_not_undo_a_pause(transactional_db: None) -> None:
    scheduler = BeatScheduler(app)
    scheduler.look_now()
    [entry] = [each for each in scheduler.schedule.values() if each.task == CHORE]
    scheduler.reserve(entry)
    pause(CHORE)
    scheduler.sync()
    assert not PeriodicTask.objects.get(task=CHORE).enabled


def test_a_worker_does_not_run_a_paused_task(db: None) -> None:
    """The wake-up of a service does not run it either, and no run is recorded."""
    pause(CHORE)
    app.loader.import_default_modules()
    task = app.tasks[CHORE]
    assert task() is None
    task.on_success(None, "id", (), {})
    assert CHORE not in heartbeats.last_beats()
    resume(CHORE)
    task()
    task.on_success(None, "id", (), {})
    assert CHORE in heartbeats.last_beats()


def test_a_poller_does_not_run_a_paused_chore() -> None:
    """The pause is looked at before each run; only complete runs are noted."""
    stop, noted, runs = threading.Event(), list[str](), list[int]()
    looks = iter([True, True, False, True, False])

    def is_paused(task: str) -> bool:
        answer = next(looks, None)
        if answer is None:
            stop.set()
            return True
        return answer

    def chore() -> None:
        runs.append(1)

    thread = Poll(POLLED_CHORE, chore, 0.001, stop, noted.append, is_paused)
    thread.start()
    thread.join(10)
    assert (len(runs), noted) == (2, [POLLED_CHORE] * 2)


def test_pollers_look_at_the_stored_pauses(db: None) -> None:
    pause(POLLED_CHORE)
    assert poller.is_paused(POLLED_CHORE)
    resume(POLLED_CHORE)
    assert not poller.is_paused(POLLED_CHORE)


def test_a_process_follows_a_pause_within_seconds(db: None) -> None:
    """It asks the database at most every five seconds; without it, the last answer counts."""
    now = [0.0]
    names = PausedTasks(clock=lambda: now[0])
    assert CHORE not in names
    pause(CHORE)
    assert CHORE not in names
    now[0] = 5.0
    assert CHORE in names
    now[0] = 10.0
    with DatabaseAway():
        assert CHORE in names


def test_a_paused_chore_is_not_late(db: None) -> None:
    now = timezone.now()
    beats = {CHORE: now - timedelta(days=3)}
    [run] = [run for run in chore_runs(beats, at=now, paused=()) if run.task == CHORE]
    assert (run.is_late, run.is_paused) == (True, False)
    pause(CHORE)
    paused = chore_pauses.find_paused()
    [run] = [run for run in chore_runs(beats, at=now, paused=paused) if run.task == CHORE]
    assert (run.is_late, run.is_paused, run.lag) == (False, True, timedelta())


def test_a_paused_chore_raises_no_alarm_but_is_shown_as_paused(db: None) -> None:
    heartbeats.beat_all({CHORE: timezone.now() - timedelta(days=30)})
    late = scrape()
    pause(CHORE)
    paused = scrape()
    values = [
        [each.value(f"tollgate_chore_{name}", task=CHORE) for name in ("late", "paused")]
        for each in (late, paused)
    ]
    assert values == [[1, 0], [0, 1]]
    assert paused.value("tollgate_chore_lag_seconds", task=CHORE) == 0


@pytest.mark.parametrize("task", sorted(settings.UNPAUSABLE_TASKS))
def test_what_must_always_run_is_not_paused(db: None, task: str) -> None:
    """Not by operators, and not by a row that somebody has changed by hand."""
    with pytest.raises(ChoreUnpausable) as refusal:
        pause(task)
    assert refusal.value.detail == settings.UNPAUSABLE_TASKS[task]
    assert not AuditEntry.objects.filter(action="chore.pause").exists()
    PeriodicTask.objects.filter(task=task).update(enabled=False)
    assert task not in PausedTasks()
    assert task not in chore_pauses.find_paused()
    assert task in tasks_of(BeatScheduler(app))


def test_unpausable_tasks_are_on_the_list() -> None:
    assert set(settings.UNPAUSABLE_TASKS) <= ALL
