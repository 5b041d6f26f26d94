"""A process keeps a project's rules, and never uses older ones than those that are committed."""

from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from entitlements.facts import project_rules
from entitlements.features import service as features
from entitlements.free_tier import service as free_tier
from entitlements.models import Feature
from entitlements.permissions import service as permissions
from projects.models import Project
from tests.factories.entitlements import LimitFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def seats(project: Project) -> Feature:
    return LimitFactory.create(project=project, code="seats")


def read(project: Project) -> tuple[project_rules.ProjectRules, int]:
    """The rules, and how many queries it took."""
    with transaction.atomic(), CaptureQueriesContext(connection) as queries:
        rules = project_rules.read(project.pk)
    return rules, len(queries)


def give_everybody(feature: Feature, value: int) -> None:
    free_tier.replace(
        project=feature.project, features=[(feature, value)], actor="test", at=timezone.now()
    )


def values(rules: project_rules.ProjectRules) -> list[Any]:
    return [row.value for row in rules.free_tier if row.ends_at is None]


def test_rules_that_have_not_changed_cost_one_query(project: Project, seats: Feature) -> None:
    (first, cost), (second, cost_again) = read(project), read(project)
    assert (cost, cost_again) == (4, 1)
    assert first == second
    assert set(second.definitions) == {"seats"}


@pytest.mark.parametrize("change", ["free tier", "archived feature", "permission map"])
def test_every_change_of_the_rules_is_seen_at_once(
    project: Project, seats: Feature, change: str
) -> None:
    give_everybody(seats, 3)
    before, _ = read(project)
    if change == "free tier":
        give_everybody(seats, 4)
    elif change == "archived feature":
        features.change(feature=seats, archived=True, actor="test", at=timezone.now())
    else:
        permissions.replace(
            project=project, names={"seats": ["sit"]}, actor="test", at=timezone.now()
        )
    after, cost = read(project)
    assert cost == 4
    assert values(before) == [3]
    assert values(after) == ([4] if change == "free tier" else [3])
    assert set(after.definitions) == (set() if change == "archived feature" else {"seats"})
    assert after.permission_names == ({"seats": ["sit"]} if change == "permission map" else None)


def test_rules_of_a_change_that_is_rolled_back_are_not_kept(
    project: Project, seats: Feature
) -> None:
    """The version that is rolled back is given again, to other rules."""
    give_everybody(seats, 3)
    with transaction.atomic():
        give_everybody(seats, 99)
        inside = project_rules.read(project.pk)
        transaction.set_rollback(True)
    assert values(inside) == [99]
    give_everybody(seats, 4)
    rules, _ = read(project)
    assert values(rules) == [4]


def test_rules_of_a_change_that_is_rolled_back_in_part_are_not_kept(
    project: Project, seats: Feature
) -> None:
    give_everybody(seats, 3)
    with transaction.atomic():
        with transaction.atomic():
            give_everybody(seats, 99)
            project_rules.read(project.pk)
            transaction.set_rollback(True)
        give_everybody(seats, 4)
        assert values(project_rules.read(project.pk)) == [4]
    rules, _ = read(project)
    assert values(rules) == [4]


def test_the_free_tier_of_a_span_of_time(project: Project, seats: Feature) -> None:
    give_everybody(seats, 3)
    between = timezone.now()
    give_everybody(seats, 4)
    rules, _ = read(project)
    assert {row.value for row in rules.free_tier} == {3, 4}
    assert [row.value for row in rules.between(between, between).free_tier] == [3]
    now = timezone.now()
    assert [row.value for row in rules.between(now, now).free_tier] == [4]
    assert {row.value for row in rules.between(between, now).free_tier} == {3, 4}


def test_a_process_keeps_the_rules_of_a_bounded_number_of_projects(
    project: Project, other_project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(project_rules, "MAX_PROJECTS", 1)
    assert [read(each)[1] for each in (project, project, other_project, project)] == [4, 1, 4, 4]
