"""After a test that commits, the database is as migrations have left it."""

import pytest
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import connection

from tests.factories.projects import CustomerFactory
from tests.factories.usage import MeterFactory

pytestmark = pytest.mark.django_db(transaction=True)


def made_by_migrate() -> tuple[set[str], set[str]]:
    return (
        set(Permission.objects.values_list("codename", flat=True)),
        set(ContentType.objects.values_list("model", flat=True)),
    )


def tables_with_rows() -> set[str]:
    tables = connection.introspection.django_table_names(only_existing=True)
    with connection.cursor() as cursor:
        return {table for table in tables if cursor.execute(f'TABLE "{table}" LIMIT 1').fetchone()}


def flush() -> None:
    call_command("flush", verbosity=0, interactive=False, reset_sequences=False)


def test_rows_of_all_tables_go_and_what_migrations_made_stays() -> None:
    before = made_by_migrate()
    assert all(before)
    MeterFactory.create(project=CustomerFactory.create().project)
    assert len(tables_with_rows()) >= 5
    flush()
    assert tables_with_rows() == {
        "auth_permission",
        "billing_driftpolicy",
        "django_content_type",
    }
    assert made_by_migrate() == before


@pytest.mark.parametrize("change", ["added", "renamed", "deleted"])
def test_what_migrations_made_is_made_again_if_a_test_has_changed_it(change: str) -> None:
    before = made_by_migrate()
    one = Permission.objects.earliest("pk")
    if change == "added":
        Permission.objects.create(name="x", codename="x", content_type=one.content_type)
    elif change == "renamed":
        Permission.objects.filter(pk=one.pk).update(codename="x")
    else:
        one.delete()
    assert made_by_migrate() != before
    flush()
    assert made_by_migrate() == before
