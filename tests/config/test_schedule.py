"""Every scheduled task exists, and its messages expire before the next one."""

from config.celery import app
from config.schedule import SCHEDULE


def test_every_scheduled_task_exists() -> None:
    """A message that names no task would wake nobody."""
    app.loader.import_default_modules()

    assert {entry["task"] for entry in SCHEDULE.values()} <= set(app.tasks)


def test_an_unread_scheduled_message_expires_before_the_next_one() -> None:
    assert all(entry["options"]["expires"] <= entry["schedule"] for entry in SCHEDULE.values())
