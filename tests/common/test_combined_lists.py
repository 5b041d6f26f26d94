"""Lists read in one statement equal the rows of separate query sets."""

from typing import Any

import pytest
from django.db import models
from django.db.models import Model, OuterRef

from billing.models import Cart, CartLine, Invoice, StripeCustomer, Subscription, SubscriptionItem
from common import combined_lists
from common.combined_lists import RowList
from events.models import OutboxEvent
from projects.models import Customer
from tests.console.world import World, build

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    return build(size=3)


def read(world: World, listed: RowList) -> list[Any]:
    owner = Customer.objects.for_project(world.project).filter(pk=world.customer.pk)
    return combined_lists.read(owner, {"rows": listed})["rows"]


def fields_of(row: Model) -> dict[str, Any]:
    """What a row says of itself, with the types that it says it in."""
    names = [each.attname for each in row._meta.concrete_fields]
    return {name: (type(row.__dict__[name]), row.__dict__[name]) for name in names}


@pytest.mark.parametrize("model", [Subscription, Invoice, StripeCustomer])
def test_rows_equal_those_of_query_sets(world: World, model: Any) -> None:
    rows = model.objects.for_project(world.project).order_by("-pk")

    rows_by_kind = read(world, RowList(rows[:2]))

    assert [fields_of(row) for row in rows_by_kind] == [fields_of(row) for row in rows[:2]]
    assert not any(row._state.adding for row in rows_by_kind)


def test_related_rows_come_with_their_owner(world: World, django_assert_num_queries: Any) -> None:
    subscriptions = Subscription.objects.for_project(world.project).order_by("-pk")
    items = SubscriptionItem.objects.for_project(world.project).filter(subscription=OuterRef("pk"))
    carts = Cart.objects.for_project(world.project).order_by("-pk")
    holds = CartLine.objects.for_project(world.project).filter(cart=OuterRef("pk"))
    Cart.objects.for_project(world.project).filter(pk=carts[0].pk).update(checkout=world.checkout)
    owner = Customer.objects.for_project(world.project).filter(pk=world.customer.pk)

    with django_assert_num_queries(1):
        rows_by_kind = combined_lists.read(
            owner,
            {
                "subscriptions": RowList(
                    subscriptions, children={"items": RowList(items, related=["price__product"])}
                ),
                "carts": RowList(carts, related=["checkout"], children={"lines": RowList(holds)}),
                "none": RowList(carts.none()),
            },
        )
        sold = [
            (item.quantity, item.price.product.name)
            for row in rows_by_kind["subscriptions"]
            for item in row.loaded_items
        ]
        checkouts = [row.checkout for row in rows_by_kind["carts"]]
        held = [line.quantity for row in rows_by_kind["carts"] for line in row.loaded_lines]

    assert sold == [(3, "Acme Pro"), (2, "Acme Pro"), (1, "Acme Pro")]
    assert checkouts == [world.checkout, None, None]
    assert held == [3, 2, 1]
    assert rows_by_kind["none"] == []


def test_annotations_come_along_and_fields_can_stay_behind(world: World) -> None:
    events = OutboxEvent.objects.for_project(world.project).annotate(
        numbered=models.Window(models.Count("pk"))
    )

    rows_by_kind = read(
        world, RowList(events[:1], annotations=["numbered"], excluded=["data", "previous"])
    )

    assert rows_by_kind[0].numbered == events.count()
    assert rows_by_kind[0].get_deferred_fields() == {"data", "previous"}


def test_a_list_without_an_owner_is_refused(world: World) -> None:
    nobody = Customer.objects.for_project(world.project).filter(pk="cus_none")
    rows = Cart.objects.for_project(world.project)

    with pytest.raises(Customer.DoesNotExist):
        combined_lists.read(nobody, {"rows": RowList(rows)})
