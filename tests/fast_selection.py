"""A pytest plugin that selects the fast tests: `make test-fast`.

Left out is what takes long by its nature: whole programs, a browser, the histories of chaos, the
stories over months, every test that plays through our Stripe, walks through all pages of the
console, and searches for an order of steps that breaks a rule. What is left tells within a
minute and a half that an idea holds; `make test` tells that it may be merged.
"""

from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent
PLACES = (
    *("browser", "chaos", "console", "deploy", "graph_api/tenants", "scenarios", "server", "stops"),
)
SEARCHES = (
    "entitlements/credits/test_credit_ledger.py",
    "entitlements/credits/test_credits.py",
    "models",
)
PROGRAMS = (
    "benchmarks",
    "config/test_deployment.py",
    "devtools/test_embedded.py",
    "config/test_orphans.py",
    "config/test_hang_timeout.py",
    "config/test_production.py",
    "config/test_readme_commands.py",
    "delivery/bus",
    "devtools/test_stack.py",
    "sandbox/test_process.py",
)
"""They start programs of their own."""
FIXTURES = frozenset({"stack", "page", "stripe", "story", "transactional_db"})
LEFT_OUT = tuple(ROOT / name for name in (*PLACES, *SEARCHES, *PROGRAMS))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    long = [each for each in items if takes_long(each.path, _fixtures(each), _is_committing(each))]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [each for each in items if each not in set(long)]


def takes_long(path: Path, fixtures: Iterable[str], is_committing: bool) -> bool:
    """``is_committing``: it writes for good, so all tables are emptied after it."""
    is_elsewhere = any(path.is_relative_to(place) for place in LEFT_OUT)
    return is_elsewhere or is_committing or not FIXTURES.isdisjoint(fixtures)


def _fixtures(item: pytest.Item) -> Iterable[str]:
    return getattr(item, "fixturenames", ())


def _is_committing(item: pytest.Item) -> bool:
    marker = item.get_closest_marker("django_db")
    return marker is not None and bool(marker.kwargs.get("transaction"))
