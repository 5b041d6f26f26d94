"""What a process loads when it starts, and what it does when it ends."""

import os
import subprocess
import sys

from tests.services import NOWHERE, ROOT

REPORT = """
import sys
import django
{statements}
loaded = set(sys.modules)
print(*sorted(name for name in {names} if name in loaded))
"""
CONSOLE, VIEWS, SCHEMA = "billing.admin", "billing.urls", "graph_api.schema"


def run(code: str) -> list[str]:
    """The words that the code prints in a process of its own, which reaches no server."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, **NOWHERE},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


def loaded_by(statements: str) -> list[str]:
    names = [CONSOLE, VIEWS, SCHEMA]
    return run(REPORT.format(statements=statements, names=names))


def test_tasks_load_neither_the_console_nor_views() -> None:
    all_tasks = "import config; django.setup(); config.celery_app.autodiscover_tasks(force=True)"
    assert loaded_by(all_tasks) == []


def test_commands_load_neither_the_console_nor_views() -> None:
    assert loaded_by("django.setup()") == []


def test_views_come_without_the_schema_of_graphql() -> None:
    views = "django.setup(); import config.urls"
    assert loaded_by(views) == [CONSOLE, VIEWS]


def test_a_web_process_loads_the_rest_before_it_is_asked() -> None:
    warm_up = (
        "import threading, config.rsgi;"
        "[each.join() for each in threading.enumerate() if each.name == 'warm up']"
    )
    assert loaded_by(warm_up) == [CONSOLE, VIEWS, SCHEMA]


def test_pages_of_the_console_are_checked_before_a_view_is_loaded() -> None:
    checks = (
        "django.setup()\n"
        "from django.core import checks\n"
        "checks.run_checks(tags=[checks.Tags.admin])"
    )
    assert loaded_by(checks) == [CONSOLE]


def test_an_ending_process_does_not_search_its_memory_for_garbage() -> None:
    code = (
        "import atexit, gc\n"
        "atexit.register(lambda: print(gc.get_freeze_count() > 0, len(gc.get_objects())))\n"
        "import config"
    )
    assert run(code) == ["True", "0"]


def test_a_worker_freezes_its_memory_before_it_forks() -> None:
    code = (
        "import django, gc\n"
        "django.setup()\n"
        "from config.poller import Poller\n"
        "assert gc.get_freeze_count() == 0\n"
        "Poller(None)\n"
        "print(gc.get_freeze_count() > 0)"
    )
    assert run(code) == ["True"]


def test_a_process_that_serves_searches_few_objects_at_once() -> None:
    """A start searches seldom; in requests that would be pauses of up to 50 ms for everybody."""
    figures = "print(gc.get_threshold()[0], gc.get_freeze_count() > 100_000)"
    assert run(f"import gc, config; {figures}") == ["50000", "False"]
    assert run(f"import gc, config.wsgi; {figures}") == ["2000", "True"]
