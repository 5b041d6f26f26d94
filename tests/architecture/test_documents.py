"""Generated documents are current, and links and named documents exist."""

import re
from pathlib import Path

import pytest

from config.management.commands import export_errors
from tests.architecture.sources import ROOT, sources

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("sandbox/*.md")])


def test_the_generated_page_of_errors_is_current() -> None:
    written = (ROOT / export_errors.DESTINATION).read_text()

    assert written == export_errors.document(), "Run: python manage.py export_errors"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_has_a_target(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", page.read_text())

    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_document_that_the_code_names_exists() -> None:
    named = {
        (str(source.path), document)
        for source in sources()
        for document in re.findall(r"docs/[\w/\-]+\.md", source.text)
    }
    assert {each for each in named if not (ROOT / each[1]).exists()} == set()
    assert named
