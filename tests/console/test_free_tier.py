"""Operators set the free tier with a reason and see the progress of the recheck."""

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from entitlements.decisions.selectors import decisions, free_tier
from entitlements.free_tier import rechecks
from entitlements.free_tier import service as free_tier_service
from entitlements.models import Feature, FreeTierEntry, Recheck
from events.models import AuditEntry
from tests.console.dialogs import messages_of, send, was_done
from tests.console.world import World

pytestmark = pytest.mark.django_db

GIVE = "/admin/entitlements/freetierentry/give/"


def free_values(world: World) -> dict[str, object]:
    return {row.feature.code: row.value for row in free_tier.current(project=world.project)}


def test_operators_set_change_and_end_the_free_tier_with_a_reason(
    operator: Client, world: World
) -> None:
    project = world.project
    Feature.objects.for_project(project).create(code="seats", name="Seats", kind="limit")
    body = {"project": project.pk, "code": "seats", "value": "3"}

    assert "no such feature" in send(operator, GIVE, **body | {"code": "nothing"}).text
    assert "whole number" in send(operator, GIVE, **body | {"value": "many"}).text
    assert free_values(world) == {"free-0": 1000}
    assert was_done(send(operator, GIVE, **body))
    assert free_values(world) == {"free-0": 1000, "seats": 3}

    entry = FreeTierEntry.objects.for_project(project).get(feature__code="seats")
    change = reverse("admin:entitlements_freetierentry_edit", args=[entry.pk])
    assert 'value="3"' in operator.get(change).text
    assert was_done(send(operator, change, value="unlimited"))
    assert free_values(world) == {"free-0": 1000, "seats": None}
    decision = decisions.check(
        project=project, user_id="nobody", feature="seats", at=timezone.now()
    )
    assert (decision.allowed, decision.limit, decision.reason.value) == (True, None, "free_tier")

    end = reverse("admin:entitlements_freetierentry_end", args=[entry.pk])
    assert was_done(send(operator, end, reason="Sold from now on."))
    assert free_values(world) == {"free-0": 1000}
    again = send(operator, end)
    assert was_done(again)
    assert "was not in the free tier any more" in messages_of(again)[-1]
    done = AuditEntry.objects.filter(action="project.set_free_tier", subject=project.pk)
    assert [each.reason for each in done.order_by("pk")][1:] == [
        "The customer asked.",
        "The customer asked.",
        "Sold from now on.",
    ]


def test_the_console_has_the_apis_limit_of_features(operator: Client, world: World) -> None:
    project = world.project
    rows = Feature.objects.for_project(project).bulk_create(
        Feature(project=project, code=f"more-{number}", name="", kind="boolean")
        for number in range(free_tier_service.MAX_FEATURES)
    )
    free_tier_service.replace(
        project=project, features=[(row, True) for row in rows], actor="command", at=timezone.now()
    )
    body = {"project": project.pk, "value": ""}

    refused = send(operator, GIVE, **body, code="feature-0")

    assert "at most 100 features" in refused.text
    assert set(free_values(world)) == {row.code for row in rows}
    assert was_done(send(operator, GIVE, **body, code="more-0"))


def test_the_page_shows_the_progress_of_the_recheck(operator: Client, world: World) -> None:
    page = reverse("admin:entitlements_freetierentry_change", args=[world.free_tier.pk])
    assert "running" in operator.get(page).text
    while rechecks.run_due(at=timezone.now()):
        pass

    assert Recheck.objects.for_project(world.project).get().status == "done"
    assert "1 of 1" in operator.get(page).text
    listed = operator.get("/admin/").text
    assert reverse("admin:entitlements_freetierentry_changelist") in listed
