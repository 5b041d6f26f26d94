"""Operators register and configure projects."""

import re

import pytest
from django.test import Client
from django.utils import timezone

from events.models import AuditEntry
from projects.keys.selectors import credentials
from projects.models import Project
from tests.console.dialogs import send, was_done
from tests.console.secrets import secret_in
from tests.console.world import World

pytestmark = pytest.mark.django_db

SECRET = re.compile(r"tg_(?:test|live|platform)_[A-Za-z0-9_\-]{43}")


def test_an_administrator_registers_a_project(operator: Client, db: None) -> None:
    answer = send(
        operator,
        "/admin/projects/project/register/",
        name="Borealis",
        slug="borealis",
        sells=["subscription"],
        default_currency="eur",
        return_origins="https://app.borealis.example\n\n https://www.borealis.example ",
    )

    credential = credentials.find(secret=secret_in(answer), at=timezone.now())
    project = Project.objects.get(slug="borealis")
    assert credential is not None
    assert project.sells == ["subscription"]
    assert project.return_origins == [
        "https://app.borealis.example",
        "https://www.borealis.example",
    ]
    assert not project.livemode
    entry = AuditEntry.objects.get(action="project.register")
    assert (entry.subject, entry.reason) == (project.pk, "The customer asked.")


def test_an_administrator_configures_a_project(world: World, operator: Client) -> None:
    address = f"/admin/projects/project/{world.project.pk}/configure/"
    now = {
        "name": world.project.name,
        "slug": world.project.slug,
        "sells": ["item"],
        "default_currency": "usd",
        "return_origins": "https://app.example.com",
        "public_plans": "on",
    }

    assert was_done(send(operator, address, **now))
    refused = send(operator, address, **{**now, "return_origins": "javascript:alert(1)"})

    assert "Write scheme and host only" in refused.text
    world.project.refresh_from_db()
    assert world.project.sells == ["item"]
    [entry] = AuditEntry.objects.filter(action="project.configure")
    sold = ["subscription", "item", "cart"]
    assert (entry.before, entry.after) == ({"sells": sold}, {"sells": ["item"]})
