"""Managers and composite keys keep each row within its project."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import Count

from common.models import ProjectQuerySet, UnscopedQuery
from projects.models import ApiKey, App, Customer, Project
from tests.factories.projects import AppFactory, CustomerFactory, key_of

rows = Customer.objects
OWN = rows.for_project("prj_x")

UNSCOPED: dict[str, Callable[[ProjectQuerySet[Customer]], Any]] = {
    "list": list,
    "bool": bool,
    "len": len,
    "get": lambda rows: rows.get(user_id="u1"),
    "first": lambda rows: rows.first(),
    "latest": lambda rows: rows.latest("id"),
    "slice": lambda rows: list(rows[:1]),
    "index": lambda rows: rows[0],
    "filter": lambda rows: list(rows.filter(user_id="u1")),
    "exclude": lambda rows: list(rows.exclude(user_id="u1")),
    "count": lambda rows: rows.count(),
    "exists": lambda rows: rows.exists(),
    "contains": lambda rows: rows.contains(Customer(id="cus_x")),
    "aggregate": lambda rows: rows.aggregate(Count("pk")),
    "values": lambda rows: list(rows.values("user_id")),
    "values_list": lambda rows: list(rows.values_list("user_id")),
    "iterator": lambda rows: list(rows.iterator()),
    "in_bulk": lambda rows: rows.in_bulk(["cus_x"]),
    "update": lambda rows: rows.update(name="x"),
    "delete": lambda rows: rows.filter(user_id="u1").delete(),
    "get_or_create": lambda rows: rows.get_or_create(user_id="u1"),
    "select_for_update": lambda rows: list(rows.select_for_update()),
    "raw": lambda rows: list(rows.raw("SELECT * FROM projects_customer")),
    "union": lambda rows: list(OWN.union(rows)),
    "or": lambda rows: list(OWN | rows),
    "and": lambda rows: list(rows & OWN),
    "xor": lambda rows: list(OWN ^ rows),
}


@pytest.mark.django_db
@pytest.mark.parametrize("query", UNSCOPED.values(), ids=UNSCOPED.keys())
def test_a_query_that_names_no_project_does_not_run(
    query: Callable[[ProjectQuerySet[Customer]], Any],
) -> None:
    with pytest.raises(UnscopedQuery):
        query(Customer.objects.get_queryset())


def test_a_scoped_query_sees_its_own_rows(project: Project, other_project: Project) -> None:
    mine = CustomerFactory.create(project=project)
    CustomerFactory.create(project=other_project)

    assert list(rows.for_project(project)) == [mine]
    assert list(rows.for_project(project.pk)) == [mine]
    assert rows.across_projects().count() == 2


def test_a_row_created_through_a_scope_belongs_to_its_project(
    project: Project, other_project: Project
) -> None:
    scoped = rows.for_project(project)
    assert scoped.create(user_id="u1").project_id == project.pk
    assert scoped.get_or_create(user_id="u2")[0].project_id == project.pk
    other = scoped.filter(project=other_project)
    assert list(other) == []
    assert scoped.create(user_id="u3").project_id == project.pk


def test_a_related_manager_is_scoped_to_the_rows_project(project: Project) -> None:
    app = AppFactory.create(project=project)
    key_of(project, app=app)
    key = ApiKey.objects.for_project(project).get()

    assert key.app == app
    assert list(app.apikey_set.all()) == [key]
    assert list(app.apikey_set.filter(name="test")) == [key]


def test_the_database_refuses_a_link_to_a_neighbour(
    project: Project, other_project: Project
) -> None:
    other_app = AppFactory.create(project=other_project)
    key_of(project)

    with transaction.atomic():
        ApiKey.objects.for_project(project).update(app_id=other_app.pk)
        with pytest.raises(IntegrityError, match="tenant_fk"):
            connection.check_constraints()
        transaction.set_rollback(True)


def test_the_database_refuses_to_move_a_row_that_is_linked_to(
    project: Project, other_project: Project
) -> None:
    app = AppFactory.create(project=project)
    key_of(project, app=app)

    with transaction.atomic():
        App.objects.for_project(project).update(project=other_project)
        with pytest.raises(IntegrityError, match="tenant_fk"):
            connection.check_constraints()
        transaction.set_rollback(True)
