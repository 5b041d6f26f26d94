"""Management commands register projects and platform keys."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from events.models import AuditEntry
from projects.models import PlatformKey, Project
from tests.api_client import ApiClient

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def test_a_project_is_registered_and_its_key_is_printed_once() -> None:
    output = run("create_project", "Robots", "--return-origin", "https://robots.example.com/")

    project = Project.objects.get()
    assert (project.slug, project.livemode, project.sells) == (
        "robots",
        False,
        ["subscription", "item", "cart"],
    )
    assert project.return_origins == ["https://robots.example.com"]
    assert "slug robots" in output
    key = next(word for word in output.split() if word.startswith("tg_test_"))
    assert ApiClient(key).get("/projects").json()["data"][0]["id"] == project.pk
    assert {entry.actor for entry in AuditEntry.objects.all()} == {"command"}


def test_given_options_are_used() -> None:
    output = run(
        "create_project", "R", "--slug", "robots", "--sells", "item", "--currency", "EUR", "--live"
    )

    project = Project.objects.get()
    assert (project.slug, project.livemode, project.sells, project.default_currency) == (
        "robots",
        True,
        ["item"],
        "eur",
    )
    assert "tg_live_" in output
    assert "Inferred nothing" in output


@pytest.mark.parametrize(
    "arguments",
    [
        ("R", "--currency", "dollars"),
        ("R", "--slug", "Not A Slug"),
        ("R", "--return-origin", "http://example.com"),
        ("R", "--sells", "lemonade"),
        ("R", "--slug", "taken"),
    ],
)
def test_an_invalid_registration_is_refused_with_a_message(arguments: tuple[str, ...]) -> None:
    Project.objects.create(name="Taken", slug="taken")

    with pytest.raises(CommandError):
        run("create_project", *arguments)
    assert Project.objects.count() == 1


def test_a_platform_key_registers_projects() -> None:
    output = run("create_platform_key", "--name", "terraform")

    assert PlatformKey.objects.get().name == "terraform"
    secret = next(word for word in output.split() if word.startswith("tg_platform_"))
    assert ApiClient(secret).post("/projects", {"name": "Robots"}).status_code == 201
