"""The alert rules and dashboards of ``deploy/monitoring``, and the metrics that they name."""

import json
import re
from pathlib import Path
from typing import Any

import yaml

from tests.services import ROOT

FOLDER = ROOT / "deploy" / "monitoring"
METRIC = re.compile(r"\b(?:tollgate_\w+|up\b)")


def load(name: str) -> Any:
    return yaml.load((FOLDER / name).read_text(), Loader=yaml.CSafeLoader)


def alerts() -> list[dict[str, Any]]:
    return [rule for group in load("alerts.yml")["groups"] for rule in group["rules"]]


def dashboards() -> dict[Path, dict[str, Any]]:
    return {path: json.loads(path.read_text()) for path in sorted(FOLDER.glob("dashboards/*.json"))}


def panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def metrics_in(text: str) -> set[str]:
    """Names of our metrics in a query."""
    return set(METRIC.findall(text)) - {"up"}
