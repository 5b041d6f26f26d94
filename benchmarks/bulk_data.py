"""Fill a database with SQL copies of rows that the services created, with new ids.

New columns of a table need no change here. Totals are computed from the records.
"""

import hashlib
from collections.abc import Iterator
from typing import Any

import psycopg
from psycopg import sql
from tqdm import tqdm

from benchmarks.measured_project import MeasuredProject
from benchmarks.sizes import RunSize

COLUMNS = """
SELECT attname::text FROM pg_attribute
WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attidentity <> 'a'
ORDER BY attnum
"""
TOTALS = """
INSERT INTO usage_total (project_id, customer_id, meter_id, hour, count, sum, max, last, last_at)
SELECT project_id, customer_id, meter_id, date_trunc('hour', occurred_at), count(*), sum(value),
       max(value), (array_agg(value ORDER BY occurred_at DESC))[1], max(occurred_at)
FROM usage_record
WHERE project_id = {project} AND customer_id BETWEEN {first} AND {last} GROUP BY 1, 2, 3, 4
"""
TABLES = [
    "projects_project",
    "projects_customer",
    "entitlements_feature",
    "entitlements_fact",
    "entitlements_rules",
    "entitlements_snapshot",
    "usage_meter",
    "usage_record",
    "usage_recordkey",
    "usage_total",
]


def insert_measured_customers(
    connection: psycopg.Connection[Any], shop: MeasuredProject, size: RunSize
) -> None:
    """Insert the customers of the measured project, ``u0`` and on, as copies of the pattern."""
    connection.execute("SET session_replication_role = replica")  # no foreign key is looked up
    _insert_customers(connection, shop, "0", first=0, count=size.crowd)
    connection.execute("VACUUM ANALYZE")


def insert_other_projects(
    connection: psycopg.Connection[Any], shop: MeasuredProject, size: RunSize
) -> None:
    """Insert the other projects, their customers, and the usage records of all projects."""
    each = customers_of_another(size)
    per_customer = max(1, size.records // size.customers)
    connection.execute("SET synchronous_commit = off")
    with tqdm(total=size.customers, unit=" customers", disable=None, leave=False) as bar:
        for number, first, count in _iterate_parts(size, each):
            if number:
                _insert_project(connection, shop, str(number))
                _insert_customers(connection, shop, str(number), first=first, count=count)
            _insert_records(
                connection, shop, str(number), first=first, count=count, each=per_customer
            )
            bar.update(count)
    for table in TABLES:
        connection.execute(sql.SQL("VACUUM ANALYZE {}").format(sql.Identifier(table)))
    connection.execute("CHECKPOINT")


def count_customers(size: RunSize) -> int:
    """The number of customers of all projects, without the pattern."""
    return size.crowd + (size.projects - 1) * customers_of_another(size)


def customers_of_another(size: RunSize) -> int:
    """The number of customers of each project but the measured one."""
    return max(1, (size.customers - size.crowd) // (size.projects - 1))


def public_id(prefix: str, number: int) -> str:
    """The id of the row with this number, as SQL computes it (:func:`_public_id_sql`)."""
    digest = hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest()
    return f"{prefix}_{number:010x}{digest[:16]}"


def _iterate_parts(size: RunSize, each: int) -> Iterator[tuple[int, int, int]]:
    """(project number, number of its first customer, number of customers) per part."""
    step = 10_000
    for first in range(0, size.crowd, step):
        yield 0, first, min(step, size.crowd - first)
    for number in range(1, size.projects):
        yield number, size.crowd + (number - 1) * each, each


def _insert_project(
    connection: psycopg.Connection[Any], shop: MeasuredProject, number: str
) -> None:
    project = _public_id_sql("prj", number)
    changes = {"project_id": project}
    _copy_rows(
        connection,
        "projects_project",
        {"id": project, "slug": f"'load-{number}'", "name": f"'Load {number}'"},
        where=f"id = '{shop.project}'",
    )
    pattern_rows = f"project_id = '{shop.project}'"
    meter = _project_id_sql("mtr", number, "t.id")
    _copy_rows(connection, "usage_meter", {**changes, "id": meter}, where=pattern_rows)
    feature = {
        **changes,
        "id": _project_id_sql("feat", number, "t.id"),
        "meter_id": f"CASE WHEN t.meter_id IS NOT NULL THEN "
        f"{_project_id_sql('mtr', number, 't.meter_id')} END",
    }
    _copy_rows(connection, "entitlements_feature", feature, where=pattern_rows)
    rules = {**changes, "id": _project_id_sql("rules", number, "t.id")}
    _copy_rows(connection, "entitlements_rules", rules, where=pattern_rows)


def _insert_customers(
    connection: psycopg.Connection[Any],
    shop: MeasuredProject,
    number: str,
    *,
    first: int,
    count: int,
) -> None:
    """Insert customers with copies of the pattern's row, facts and snapshot."""
    source = f"generate_series({first}, {first + count - 1}) AS g(n)"
    pattern_rows = f"project_id = '{shop.project}' AND customer_id = '{shop.pattern}'"
    project = f"'{shop.project}'" if number == "0" else _public_id_sql("prj", number)
    changes = {"project_id": project, "customer_id": _public_id_sql("cus", "g.n")}
    feature = "t.feature_id" if number == "0" else _project_id_sql("feat", number, "t.feature_id")
    _copy_rows(
        connection,
        "projects_customer",
        {"project_id": project, "id": _public_id_sql("cus", "g.n"), "user_id": "'u' || g.n"},
        where=f"id = '{shop.pattern}'",
        source=source,
    )
    fact = {**changes, "feature_id": feature, "id": _customer_id_sql("fact", "t.id")}
    fact["source_id"] = _public_id_sql("sub", "g.n")
    _copy_rows(connection, "entitlements_fact", fact, where=pattern_rows, source=source)
    snapshot = {**changes, "id": _customer_id_sql("snap", "t.id")}
    _copy_rows(connection, "entitlements_snapshot", snapshot, where=pattern_rows, source=source)


def _insert_records(
    connection: psycopg.Connection[Any],
    shop: MeasuredProject,
    number: str,
    *,
    first: int,
    count: int,
    each: int,
) -> None:
    """Insert usage records, keys and totals over the last 30 days, at most one per hour."""
    source = (
        f"generate_series({first}, {first + count - 1}) AS g(n), generate_series(1, {each}) AS r(k)"
    )
    project = f"'{shop.project}'" if number == "0" else _public_id_sql("prj", number)
    record = {
        "project_id": project,
        "customer_id": _public_id_sql("cus", "g.n"),
        "id": _public_id_sql("use", f"g.n::bigint * {each} + r.k"),
        "occurred_at": f"date_trunc('hour', now()) - (r.k * {720 // each} + g.n % 24) "
        "* interval '1 hour'",
    }
    if number != "0":
        record["meter_id"] = _project_id_sql("mtr", number, "t.meter_id")
    pattern = f"project_id = '{shop.project}' AND customer_id = '{shop.pattern}'"
    _copy_rows(connection, "usage_recordkey", record, where=pattern, source=source)
    record["value"] = "(g.n * 31 + r.k * 7) % 1000"
    _copy_rows(connection, "usage_record", record, where=pattern, source=source)
    last = _public_id_sql("cus", str(first + count - 1))
    statement = TOTALS.format(project=project, first=_public_id_sql("cus", str(first)), last=last)
    connection.execute(statement.encode())


def _copy_rows(
    connection: psycopg.Connection[Any],
    table: str,
    changed: dict[str, str],
    *,
    where: str,
    source: str = "(SELECT 1) AS g(n)",
) -> None:
    """Copy the matching rows once per row of ``source``, with these columns changed."""
    names = [name for (name,) in connection.execute(COLUMNS, [table]).fetchall()]
    chosen = [changed.get(name) or f't."{name}"' for name in names]
    columns = ", ".join(f'"{name}"' for name in names)
    statement = (
        f"INSERT INTO {table} ({columns}) SELECT {', '.join(chosen)} "  # noqa: S608  # our own words
        f"FROM (SELECT * FROM {table} WHERE {where}) AS t, {source}"
    )
    connection.execute(statement.encode())


def _public_id_sql(prefix: str, number: str) -> str:
    """SQL expression of a public id that grows with the number."""
    digits = f"lpad(to_hex(({number})::bigint), 10, '0')"
    return f"'{prefix}_' || {digits} || substr(md5(({number})::text), 1, 16)"


def _project_id_sql(prefix: str, number: str, old: str) -> str:
    return (
        f"'{prefix}_' || lpad(to_hex({number}), 10, '0') || substr(md5({old} || '{number}'), 1, 16)"
    )


def _customer_id_sql(prefix: str, old: str) -> str:
    return f"'{prefix}_' || lpad(to_hex(g.n), 10, '0') || substr(md5({old} || g.n), 1, 16)"
