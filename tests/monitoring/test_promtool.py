"""Prometheus's own tool accepts the rules, and each alert fires on sampled data."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests import promtool
from tests.monitoring.rules import FOLDER, load

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
    """The test above can fail: with another threshold it does. One alert's data show it."""
    name = "TollgateDatabaseDown"
    cases = load("alerts_test.yml")
    cases["tests"] = [case for case in cases["tests"] if case["name"].startswith(name)]
    (tmp_path / "alerts_test.yml").write_text(yaml.safe_dump(cases))
    rules = (FOLDER / "alerts.yml").read_text()
    broken = re.sub(r"tollgate_database_up == 0", "tollgate_database_up == 2", rules)
    assert (len(cases["tests"]), broken != rules) == (2, True)
    for text, code in ((rules, 0), (broken, 1)):
        (tmp_path / "alerts.yml").write_text(text)
        tested = run("test", "rules", "alerts_test.yml", folder=tmp_path)
        assert tested.returncode == code, tested.stdout + tested.stderr
    assert name in tested.stdout + tested.stderr
