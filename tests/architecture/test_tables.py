"""PostgreSQL's own constraints separate the tenants, whatever the models say."""

from collections import defaultdict
from typing import Any

import pytest
from django.db import connection, models

from common.models import ProjectOwned
from tests.architecture.tables import tables_of

OF_NO_TENANT = {
    "projects_project": "the tenants themselves",
    "projects_platformkey": "the platform's own",
    "projects_platformidempotencykey": "the platform's own",
    "billing_stripeaccount": "one may be shared by many tenants",
    "billing_stripeendpoint": "belongs to a Stripe account",
    "billing_syncobject": "an object whose tenant is not known before it is read",
    "billing_driftpolicy": "an operator's choice for all tenants",
    "billing_reconciliation": "compares a Stripe account, which many tenants may share",
    "billing_reconcilerun": "goes through a Stripe account, or through the tables of all tenants",
    "billing_reconcilesighting": "belongs to a run of reconciliation",
    "webhooks_inboundevent": "arrives before anybody knows whose it is",
    "events_auditentry": "acts on the platform have no project",
    "delivery_buscheckpoint": "a consumer of ours reads the events of all tenants",
    "delivery_heldentry": "an entry of a stream of all tenants",
    "delivery_inboundrefusal": "counts messages that no tenant accepts",
    "delivery_inboxentry": "a message in a stream of all tenants",
    "delivery_outlet": "reads the log of all tenants",
    "events_loghead": "counts the events of all tenants",
    "events_pendingevent": "a queue of the events of all tenants, read by the sequencer alone",
    "entitlements_signingkey": "one signs for everybody; the audience says for whom",
    "common_backoff": "waits for a Stripe account, which many may share, or for a project",
    "usage_retentionprogress": "a month of records is every project's",
    "common_heartbeat": "processes serve everybody",
}
"""Tables whose rows belong to no single tenant, and why."""

SECRETS = {"projects_apikey": {("digest",)}}
"""Keys that are unique everywhere because they are 256 random bits."""

WITHOUT_LINKS = {
    "delivery_webhookattempt": "written with the result of its delivery",
    "events_customerhead": "the sequencer takes the customer from an event",
    "events_loggedevent": "the sequencer takes all of it from an event",
    "events_projecthead": "the sequencer takes the project from an event",
    "usage_movement": "written with records",
    "usage_record": "each statement reads customer and meter from their own rows by the project",
    "usage_recordkey": "written with its record",
    "usage_total": "written with its records",
}
"""Tables that take many rows at a time: a foreign key would be looked up for each of them."""

OWNED = tables_of(ProjectOwned)


def names(model: type[models.Model]) -> str:
    return model._meta.db_table


def links(model: type[models.Model]) -> list[models.ForeignKey[Any, Any]]:
    """The model's foreign keys to other tenants' tables."""
    return [
        field
        for field in model._meta.get_fields()
        if isinstance(field, models.ForeignKey) and issubclass(field.related_model, ProjectOwned)
    ]


LINKED = [model for model in OWNED if names(model) not in WITHOUT_LINKS]
LINKS = [(model, field) for model in LINKED for field in links(model)]


def query(sql: str, *parameters: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def foreign_keys(table: str) -> set[tuple[tuple[str, ...], str, tuple[str, ...]]]:
    """(columns, target, target's columns) of every foreign key of the table."""
    rows = query(
        """
        SELECT
            ARRAY(SELECT attname::text FROM unnest(conkey) WITH ORDINALITY AS k(n, o)
                  JOIN pg_attribute ON attrelid = conrelid AND attnum = n ORDER BY o),
            confrelid::regclass::text,
            ARRAY(SELECT attname::text FROM unnest(confkey) WITH ORDINALITY AS k(n, o)
                  JOIN pg_attribute ON attrelid = confrelid AND attnum = n ORDER BY o)
        FROM pg_constraint WHERE contype = 'f' AND conrelid = %s::regclass AND convalidated
        """,
        table,
    )
    return {(tuple(columns), target, tuple(there)) for columns, target, there in rows}


def unique_keys(table: str) -> set[tuple[str, ...]]:
    """The columns of every unique index of the table but its primary key."""
    rows = query(
        """
        SELECT ARRAY(SELECT coalesce(attname::text, 'expression') FROM unnest(indkey::int2[])
                     WITH ORDINALITY AS k(n, o)
                     LEFT JOIN pg_attribute ON attrelid = indrelid AND attnum = n AND n > 0
                     ORDER BY o)
        FROM pg_index WHERE indrelid = %s::regclass AND indisunique AND NOT indisprimary
        """,
        table,
    )
    return {tuple(columns) for (columns,) in rows}


def test_every_table_has_a_project_or_a_listed_reason() -> None:
    unowned = {names(model) for model in tables_of() if not issubclass(model, ProjectOwned)}

    assert unowned == set(OF_NO_TENANT)


@pytest.mark.django_db
@pytest.mark.parametrize("model", OWNED, ids=names)
def test_a_row_belongs_to_exactly_one_project(model: type[models.Model]) -> None:
    nullable = query(
        "SELECT attnotnull FROM pg_attribute "
        "WHERE attrelid = %s::regclass AND attname = 'project_id'",
        names(model),
    )

    assert nullable == [(True,)]
    if model not in LINKED:
        return
    assert (("project_id",), "projects_project", ("id",)) in foreign_keys(names(model))


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("model", "field"), LINKS, ids=lambda each: getattr(each, "name", "") or names(each)
)
def test_every_foreign_key_between_tenant_tables_contains_the_project(
    model: type[models.Model], field: models.ForeignKey[Any, Any]
) -> None:
    target = names(field.related_model)
    composite = (("project_id", field.column), target, ("project_id", "id"))
    there = foreign_keys(names(model))

    assert composite in there
    assert [key for key in there if field.column in key[0]] == [composite], "and no other"


@pytest.mark.django_db
@pytest.mark.parametrize("model", OWNED, ids=names)
def test_a_unique_key_contains_the_project(model: type[models.Model]) -> None:
    table = names(model)
    keys = unique_keys(table) - SECRETS.get(table, set())

    assert {key for key in keys if "project_id" not in key} == set()


@pytest.mark.django_db
def test_a_one_to_one_link_is_unique_within_its_project_only() -> None:
    """A UNIQUE of Django's own on such a column would tell one tenant about another."""
    single = {
        (names(model), field.column)
        for model, field in LINKS
        if (field.column,) in unique_keys(names(model))
    }
    assert single == set()


@pytest.mark.django_db
def test_tables_that_are_linked_to_have_a_composite_key() -> None:
    targets = {names(field.related_model) for _, field in LINKS}

    assert {table for table in targets if ("project_id", "id") not in unique_keys(table)} == set()


@pytest.mark.django_db
def test_constraint_names_are_unique() -> None:
    """A partition's foreign key is its table's, under the same name."""
    rows = query(
        "SELECT conname, conrelid::regclass::text FROM pg_constraint "
        "WHERE connamespace = 'public'::regnamespace AND contype IN ('f', 'u') "
        "AND conparentid = 0"
    )
    tables = defaultdict(set)
    for name, table in rows:
        tables[name].add(table)
    assert {
        name: tables_of_name for name, tables_of_name in tables.items() if len(tables_of_name) > 1
    } == {}
