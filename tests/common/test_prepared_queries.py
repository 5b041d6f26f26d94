"""A prepared query returns the rows that Django's query returns."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.db.models import Model
from django.db.transaction import TransactionManagementError
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from billing.models import Price, Subscription, SubscriptionItem
from billing.models.price import PriceType
from common.models.project_owned import UnscopedQuery
from common.prepared_queries import Parameter, PreparedQuery, is_any
from projects.models import Customer, Project
from tests.factories.projects import CustomerFactory
from tests.shop import Shop

PRICES = PreparedQuery(
    lambda: (
        Price.objects.for_project(Parameter("project_id"))
        .filter(is_any("id", "ids"), type=PriceType.RECURRING)
        .order_by("-id")
    ),
    related=("product", "product__project"),
)


def loaded(row: Model) -> dict[str, object]:
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}


@pytest.fixture
def prices(shop: Shop, monthly: Price) -> list[Price]:
    product = shop.product("100 %s O'Neill's")
    second = shop.price(product)
    second.metadata = {"a": "%(b)s", "b": ["'", None]}
    second.save(update_fields=["metadata"])
    return [monthly, second, shop.price(product, interval="")]


def test_it_returns_the_rows_of_the_query_with_their_related_rows(
    project: Project, prices: list[Price]
) -> None:
    ids = [price.pk for price in prices]
    for watched in (False, True):
        if watched:
            with CaptureQueriesContext(connection) as seen:
                rows = PRICES.rows(project_id=project.pk, ids=ids)
            assert len(seen) == 1
        else:
            rows = PRICES.rows(project_id=project.pk, ids=ids)
        expected = list(
            Price.objects.for_project(project)
            .filter(pk__in=ids, type=PriceType.RECURRING)
            .order_by("-id")
        )
        assert [loaded(row) for row in rows] == [loaded(row) for row in expected]
        with CaptureQueriesContext(connection) as seen:
            assert [row.product.project for row in rows] == [project, project]
            assert {row.product.name for row in rows} == {"Pro", "100 %s O'Neill's"}
        assert not seen


def test_rows_of_it_can_be_saved(project: Project, prices: list[Price]) -> None:
    row = PRICES.first(project_id=project.pk, ids=[prices[0].pk])
    assert row is not None
    row.metadata = {"new": "1"}
    row.save(update_fields=["metadata"])
    prices[0].refresh_from_db()
    assert prices[0].metadata == {"new": "1"}


def test_no_row_is_none(project: Project, other_project: Project, prices: list[Price]) -> None:
    assert PRICES.first(project_id=project.pk, ids=[]) is None
    assert PRICES.first(project_id=other_project.pk, ids=[prices[0].pk]) is None


def test_a_missing_related_row_is_none(
    shop: Shop, monthly: Price, drain: Callable[[], None]
) -> None:
    shop.subscribe(shop.buyer("alice"), monthly)
    drain()
    SubscriptionItem.objects.across_projects().update(price=None)
    items = PreparedQuery(
        lambda: SubscriptionItem.objects.for_project(Parameter("project_id")),
        related=("subscription", "price", "price__product"),
    )
    item = items.first(project_id=shop.project.pk)
    assert item is not None
    assert item.price is None
    assert item.subscription == Subscription.objects.for_project(shop.project).get()


def test_times_and_numbers_are_values(project: Project) -> None:
    customer = CustomerFactory.create(project=project)
    recent = PreparedQuery(
        lambda: Customer.objects.for_project(Parameter("project_id")).filter(
            created_at__gt=Parameter("since"), version=Parameter("version")
        )
    )
    values = {"project_id": project.pk, "version": customer.version}
    now = timezone.now()
    assert recent.rows(**values, since=now - timedelta(hours=1)) == [customer]
    assert recent.rows(**values, since=now + timedelta(hours=1)) == []


@pytest.mark.django_db(transaction=True)
def test_a_query_may_lock_its_rows() -> None:
    customer = CustomerFactory.create()
    locked = PreparedQuery(
        lambda: (
            Customer.objects.for_project(Parameter("project_id"))
            .filter(pk=Parameter("id"))
            .select_for_update(no_key=True)
        )
    )
    with transaction.atomic():
        row = locked.first(project_id=customer.project_id, id=customer.pk)
        assert row is not None
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE mode = 'RowShareLock'")
            assert cursor.fetchone() != (0,)
    with pytest.raises(TransactionManagementError):
        locked.first(project_id=customer.project_id, id=customer.pk)


def test_a_query_that_names_no_project_does_not_run(db: None) -> None:
    query = PreparedQuery(lambda: Price.objects.filter(pk=Parameter("id")))
    with pytest.raises(UnscopedQuery):
        query.rows(id="price_1")


def test_a_parameter_in_a_list_is_refused(project: Project) -> None:
    query = PreparedQuery(
        lambda: Price.objects.for_project(project).filter(product_id__in=[Parameter("id")])
    )
    with pytest.raises(TypeError, match="is_any"):
        query.rows(id="price_1")
