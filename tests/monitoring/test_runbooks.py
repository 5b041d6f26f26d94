"""Each alert names a section of docs/runbooks.md, and what the sections name exists."""

import re

from tests.monitoring.rules import alerts
from tests.services import ROOT

PAGE = ROOT / "docs" / "runbooks.md"


def sections() -> list[str]:
    return re.findall(r"^### (\S+)$", PAGE.read_text(), re.MULTILINE)


def test_each_alert_has_its_section_and_each_section_its_alert() -> None:
    named = [
        rule["annotations"]["runbook_url"].partition("docs/runbooks.md#")[2] for rule in alerts()
    ]
    assert sorted(named) == sorted(sections())
    assert len(set(named)) == len(named)


def test_each_section_says_what_it_means_where_to_look_and_what_to_do() -> None:
    for text in re.split(r"^### ", PAGE.read_text(), flags=re.MULTILINE)[1:]:
        labels = re.findall(r"^\*\*(\w+):\*\*", text, re.MULTILINE)
        assert labels == ["Means", "Look", "Do"], text.partition("\n")[0]


def test_links_and_commands_exist() -> None:
    text = PAGE.read_text()
    for target in re.findall(r"\]\(([^)]+)\)", text):
        page, _, anchor = target.partition("#")
        assert (PAGE.parent / page).exists() if page else anchor in sections(), target
    for command in re.findall(r"manage\.py (\w+)", text):
        assert list(ROOT.glob(f"*/management/commands/{command}.py")), command
