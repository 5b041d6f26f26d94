"""A prepared insert stores what Django's would store."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import DataError, IntegrityError, connection, transaction
from django.db.models import Model, Value
from django.test.utils import CaptureQueriesContext

from billing.models import Price, Product, StripeAccount, Subscription
from common import prepared_inserts
from projects.models import Customer, Project
from tests.factories.projects import CustomerFactory
from tests.shop import Shop

pytestmark = pytest.mark.django_db

AT = datetime(2026, 11, 25, 15, 0, 0, 123456, tzinfo=UTC)
HARD = 'O\'Neill \\ "quoted", {NULL,100 %s} \n é 𝒳'
METADATA: dict[str, Any] = {"a": HARD, "b": [None, True, 1.5, {}], "%(c)s": "\\u0041"}


@pytest.fixture
def customer(project: Project) -> Customer:
    return CustomerFactory.create(project=project)


def stored(row: Model) -> dict[str, Any]:
    """The row as the database has it, without its key and the times of its writing."""
    (values,) = type(row)._base_manager.filter(pk=row.pk).values()
    return {
        name: value
        for name, value in values.items()
        if name not in ("id", "created_at", "updated_at")
    }


def subscription(customer: Customer, account: StripeAccount, **changes: Any) -> Subscription:
    values = {
        "project_id": customer.project_id,
        "account": account,
        "customer": customer,
        "stripe_id": None,
        "status": HARD[:20],
        "started_at": AT,
        "metadata": METADATA,
        "scheduled_items": [],
        "discounts": [],
    }
    return Subscription(**values | changes)


@pytest.mark.parametrize("is_watched", [False, True])
def test_rows_equal_those_that_django_stores(
    customer: Customer, shop: Shop, is_watched: bool
) -> None:
    """Text, numbers, times, JSON, NULL; also while Django logs statements."""
    by_django = subscription(customer, shop.account)
    by_django.save(force_insert=True)
    ours = [subscription(customer, shop.account) for _ in range(3)]
    with CaptureQueriesContext(connection) as queries:
        if is_watched:
            prepared_inserts.insert(ours)
    if not is_watched:
        prepared_inserts.insert(ours)
    assert len(queries) == int(is_watched)
    assert [stored(row) for row in ours] == [stored(by_django)] * 3
    assert not any(row._state.adding for row in ours)
    ours[0].status = "active"
    ours[0].save(update_fields=["status"])
    assert stored(ours[0])["status"] == "active"


def test_no_rows_cost_nothing() -> None:
    with CaptureQueriesContext(connection) as queries:
        prepared_inserts.insert([])
    assert len(queries) == 0


@pytest.mark.parametrize("text", ["x" * 300, "\0"], ids=["too long", "NUL"])
def test_text_that_the_column_refuses_is_refused(customer: Customer, shop: Shop, text: str) -> None:
    row = subscription(customer, shop.account, status=text)
    with pytest.raises((DataError, ValueError)), transaction.atomic():
        prepared_inserts.insert([row])
    assert row._state.adding


def test_a_row_that_exists_is_refused(customer: Customer, shop: Shop) -> None:
    row = subscription(customer, shop.account)
    prepared_inserts.insert([row])
    with pytest.raises(IntegrityError), transaction.atomic():
        prepared_inserts.insert([subscription(customer, shop.account, id=row.pk)])


def test_an_expression_is_left_to_django(customer: Customer, shop: Shop) -> None:
    row = subscription(customer, shop.account, status=Value("active"))
    prepared_inserts.insert([row])
    assert stored(row)["status"] == "active"


def test_numbers_and_truth_values(project: Project, shop: Shop) -> None:
    product = Product(project=project, account=shop.account, name=HARD, active=False)
    prepared_inserts.insert([product])
    amounts = [0, 7, 2**40]
    prices = [
        Price(
            project=project, account=shop.account, product=product, currency="usd", unit_amount=each
        )
        for each in amounts
    ]
    prepared_inserts.insert(prices)
    assert [stored(each)["unit_amount"] for each in prices] == amounts
    assert (stored(product)["name"], stored(product)["active"]) == (HARD, False)
