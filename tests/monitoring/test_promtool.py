"""Prometheus's own tool accepts the rules, and each alert fires on sampled data."""

import re
import subprocess
from pathlib import Path

import pytest

from tests import promtool
from tests.monitoring.rules import FOLDER

pytestmark = pytest.mark.promtool


def run(*arguments: str, folder: Path = FOLDER) -> subprocess.CompletedProcess[str]:
    executable = promtool.executable()
    assert executable is not None
    return subprocess.run(
        [executable, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )


def test_the_rules_and_the_configuration_are_accepted() -> None:
    for arguments in (("config", "--syntax-only", "prometheus.yml"), ("rules", "alerts.yml")):
        checked = run("check", *arguments)
        assert checked.returncode == 0, checked.stdout + checked.stderr


def test_each_alert_fires_on_its_data_and_stays_silent_on_other() -> None:
    tested = run("test", "rules", "alerts_test.yml")
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_an_alert_that_does_not_fire_is_noticed(tmp_path: Path) -> None:
    """The test above can fail: with another threshold it does."""
    rules = (FOLDER / "alerts.yml").read_text()
    broken = re.sub(r"tollgate_database_up == 0", "tollgate_database_up == 2", rules)
    assert broken != rules
    (tmp_path / "alerts.yml").write_text(broken)
    (tmp_path / "alerts_test.yml").write_text((FOLDER / "alerts_test.yml").read_text())
    tested = run("test", "rules", "alerts_test.yml", folder=tmp_path)
    assert tested.returncode == 1
    assert "TollgateDatabaseDown" in tested.stdout + tested.stderr
