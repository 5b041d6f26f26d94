"""Every metric that an alert or a dashboard names is in a scrape of the product."""

import json
from pathlib import Path

import pytest

from tests.monitoring.rules import alerts, dashboards, metrics_in, panels
from tests.monitoring.scrapes import scrape
from tests.monitoring.test_promtool import run


@pytest.mark.django_db
def test_every_metric_of_the_alerts_exists() -> None:
    named = {name for rule in alerts() for name in metrics_in(rule["expr"])}
    assert len(named) > 25
    assert named - scrape().names == set()


@pytest.mark.django_db
def test_every_metric_of_the_dashboards_exists() -> None:
    """A panel without data would be taken for calm."""
    figures = scrape()
    for path, dashboard in dashboards().items():
        shown = panels(dashboard)
        assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
        assert len(shown) > 15
        for panel in shown:
            (target,) = panel["targets"]
            named = metrics_in(target["expr"])
            assert named, f"{path.name}: {panel['title']}"
            assert named - figures.names == set(), panel["title"]
            assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]


@pytest.mark.promtool
def test_the_queries_of_the_dashboards_are_understood(tmp_path: Path) -> None:
    """Prometheus's own tool reads each as the expression of a rule."""
    rules = [
        {"record": f"panel:{number}", "expr": panel["targets"][0]["expr"]}
        for dashboard in dashboards().values()
        for number, panel in enumerate(panels(dashboard))
    ]
    assert rules
    file = tmp_path / "panels.yml"
    file.write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
    checked = run("check", "rules", str(file))
    assert checked.returncode == 0, checked.stdout + checked.stderr
