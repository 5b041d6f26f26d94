from config.celery import app
from config.schedule import SCHEDULE


def test_every_bell_on_the_schedule_is_hung_up() -> None:
    """A name that no task has would ring for ever without anybody coming."""
    app.loader.import_default_modules()

    assert {entry["task"] for entry in SCHEDULE.values()} <= set(app.tasks)


def test_a_bell_that_nobody_heard_is_not_kept_for_later() -> None:
    assert all(entry["options"]["expires"] <= entry["schedule"] for entry in SCHEDULE.values())
