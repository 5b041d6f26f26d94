"""A story skips only tasks that would do nothing."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.scenarios import chores
from tests.scenarios.story import Story

READS = ("SELECT", "SAVEPOINT", "RELEASE SAVEPOINT")


def test_each_listed_task_exists() -> None:
    assert set(chores.rows_by_task()) <= set(chores.CHORES)
    assert set(chores.CHORES) <= set(chores.tasks())


@pytest.mark.parametrize("task", sorted(chores.rows_by_task()))
def test_a_task_looks_for_the_rows_of_its_entry(db: None, task: str) -> None:
    """Without them it reads nothing else, so there is nothing else that it could act on."""
    table = chores.rows_by_task()[task].model._meta.db_table
    with CaptureQueriesContext(connection) as queries:
        chores.run(task)
    selects = [each["sql"] for each in queries.captured_queries if "SELECT" in each["sql"]]
    assert selects
    assert all(f'"{table}"' in each for each in selects)


def test_a_skipped_task_would_change_nothing(story: Story) -> None:
    price = story.sells("Pro", 1000, features={"sso": True, "seats": 3})
    story.buys(price)
    story.advance(days=40)
    resting = chores.idle_tasks()
    assert resting
    before = list(story.stripe.world.store.items())
    with CaptureQueriesContext(connection) as queries:
        for task in sorted(resting):
            chores.run(task)
    assert all(each["sql"].startswith(READS) for each in queries.captured_queries)
    assert [pair for pair in story.stripe.world.store.items() if pair not in before] == []


def test_a_task_with_future_rows_runs(story: Story) -> None:
    assert "billing.tell_trials" in chores.idle_tasks()
    story.buys(story.sells("Pro", 1000, features={"sso": True}), trial_period_days=30)
    assert "billing.tell_trials" not in chores.idle_tasks()
