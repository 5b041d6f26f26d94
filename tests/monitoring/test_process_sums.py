"""Counters are the sums over all processes, exactly, whichever process answers the scrape."""

import os
import subprocess
import sys
import threading
import time
from typing import Any

import pytest

from common import process_metrics, redis
from common.chore_metrics import measured
from common.process_metrics import STATE_KEY, shipper
from config.metrics.counters import OTHER
from events.catalog import EventType
from events.log import event_counts, sequencer
from projects.models import Project
from tests.events.log.recording import record
from tests.monitoring.scrapes import forget_sums, scrape
from tests.services import ROOT
from tests.waiting import SilentServer

TASK = "tests.count"
PAID = EventType.PAYMENT_PAID.value
COUNT, CHILDREN, PROCESSES = 100, 3, 2


pytestmark = pytest.mark.usefixtures("empty_sums")


def test_processes_and_their_children_are_added_up(settings: Any) -> None:
    command = [sys.executable, "-m", "tests.monitoring.counting_process", str(COUNT), str(CHILDREN)]
    environment = {**os.environ, "REDIS_URL": settings.REDIS_URL}
    running = [subprocess.Popen(command, cwd=ROOT, env=environment) for _ in range(PROCESSES)]
    assert [process.wait(timeout=120) for process in running] == [0] * PROCESSES
    figures = scrape()
    total = PROCESSES * COUNT * (1 + CHILDREN)
    assert figures.value("tollgate_chore_runs_total", task=TASK, outcome="done") == total
    assert figures.value("tollgate_processes", role="worker") == PROCESSES
    assert figures.value("tollgate_processes", role="worker_child") == PROCESSES * CHILDREN
    memory = "tollgate_process_resident_memory_bytes"
    assert figures.value(memory, role="worker_child") > figures.value(memory, role="worker") > 0


def test_a_child_that_is_born_while_its_parent_reads_the_instruments_can_read_them(
    settings: Any,
) -> None:
    command = [sys.executable, "-m", "tests.monitoring.forking_process"]
    environment = {**os.environ, "REDIS_URL": settings.REDIS_URL}
    assert (
        subprocess.run(command, cwd=ROOT, env=environment, timeout=120, check=False).returncode == 0
    )


def test_a_process_that_ended_is_forgotten_and_its_counts_stay() -> None:
    with measured(TASK):
        pass
    shipper.ship()
    redis.client().hset(
        STATE_KEY, "prc_gone", f'{{"at": {time.time() - 60}, "role": "web", "figures": {{}}}}'
    )
    figures = scrape()
    assert figures.value("tollgate_processes", role="web") == 0
    assert not redis.client().hexists(STATE_KEY, "prc_gone")
    assert figures.value("tollgate_chore_runs_total", task=TASK) == 1


def test_a_process_that_stops_adds_its_last_counts_and_is_no_process_any_more() -> None:
    shipper.start("deliver")
    try:
        assert scrape().value("tollgate_processes", role="deliver") == 1
        with measured(TASK):
            pass
    finally:
        shipper.stop()
    figures = process_metrics.read_figures(now=time.time())
    assert figures is not None
    sums = figures.sums
    done = (("outcome", "done"), ("task", TASK))
    assert sums["tollgate_chore_runs_total", done] == 1
    assert scrape().value("tollgate_processes", role="deliver") == 0
    assert not [each for each in threading.enumerate() if each.name == "metrics"]


def test_what_is_counted_without_redis_is_added_later(
    settings: Any, silent_server: SilentServer
) -> None:
    url = settings.REDIS_URL
    settings.REDIS_URL = f"redis://127.0.0.1:{silent_server.port}/0"
    with measured(TASK):
        pass
    try:
        assert not shipper.ship()
    finally:
        redis.breaker.close()
    settings.REDIS_URL = url
    assert scrape().value("tollgate_chore_runs_total", task=TASK) == 1
    assert scrape().value("tollgate_chore_runs_total", task=TASK) == 1


def test_an_empty_redis_shows_all_series_from_zero() -> None:
    """A first failure after that is a change from 0 to 1, which alerts need, and histograms have
    all their buckets."""
    assert shipper.ship()
    forget_sums()
    figures = scrape()
    assert figures.value("tollgate_stripe_events_total", result="signature_refused") == 0
    assert figures.value("tollgate_stripe_event_received_seconds_bucket", le="+Inf") == 0


def test_sums_of_an_unknown_version_are_left_out() -> None:
    """Another version of the code may count what this one does not declare."""
    redis.client().hset(process_metrics.SUMS_KEY, '["tollgate_future_total", [["kind", "a"]]]', "3")
    assert "tollgate_future_total" not in scrape().names


def test_projects_beyond_the_bound_share_a_series(
    settings: Any, project: Project, other_project: Project
) -> None:
    first, second = sorted((project.pk, other_project.pk))
    event_counts.record([(first, PAID, 1), (second, PAID, 2), ("prj_gone", PAID, 4)])
    name = "tollgate_project_events_total"
    figures = scrape()
    assert [figures.value(name, project=each) for each in (first, second, OTHER)] == [1, 2, 4]
    settings.METRICS_PROJECTS = 1
    figures = scrape()
    assert [figures.value(name, project=each) for each in (first, OTHER)] == [1, 6]
    assert figures.count(name, project=second) == 0


def test_only_events_about_money_are_counted_by_project(project: Project) -> None:
    event_counts.record([(project.pk, EventType.CUSTOMER_UPDATED.value, 3)])
    figures = scrape()
    assert figures.value("tollgate_events_total", type="customer.updated") == 3
    assert figures.count("tollgate_project_events_total", type="customer.updated") == 0


def test_the_sequencer_counts_what_it_numbers(
    project: Project, django_capture_on_commit_callbacks: Any
) -> None:
    """Once, and only after its commit."""
    record(project, "cus_1", 1)
    record(project, "cus_1", 2)
    with django_capture_on_commit_callbacks() as callbacks:
        sequencer.run()
    assert scrape().count("tollgate_events_total", type="customer.updated") == 0
    for callback in callbacks:
        callback()
    assert scrape().value("tollgate_events_total", type="customer.updated") == 2
