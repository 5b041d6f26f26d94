"""Lists are newest first, with cursors, ranges and filters."""

import pytest
import stripe

from tests.sandbox.shop import NOW


@pytest.fixture
def customers(world, client):
    """Twelve, one a minute, the oldest first."""
    customer_ids = []
    for number in range(12):
        world.move_clock(NOW + 60 * number)
        customer_ids.append(client.v1.customers.create({"email": f"c{number % 2}@example.com"}).id)
    return customer_ids


def ids(page):
    return [item.id for item in page.data]


def test_lists_are_newest_first_with_ten_rows_by_default(client, customers):
    page = client.v1.customers.list()
    assert ids(page) == customers[::-1][:10]
    assert page.has_more is True
    assert page.url == "/v1/customers"


def test_pages_have_no_gap_and_no_overlap(client, customers):
    first = client.v1.customers.list({"limit": 5})
    second = client.v1.customers.list({"limit": 5, "starting_after": ids(first)[-1]})
    third = client.v1.customers.list({"limit": 5, "starting_after": ids(second)[-1]})
    assert ids(first) + ids(second) + ids(third) == customers[::-1]
    assert (second.has_more, third.has_more) == (True, False)
    back = client.v1.customers.list({"limit": 5, "ending_before": ids(third)[0]})
    assert ids(back) == ids(second)
    assert back.has_more is True


def test_the_sdk_walks_through_all_pages(client, customers):
    walked = client.v1.customers.list({"limit": 5}).auto_paging_iter()
    assert [customer.id for customer in walked] == customers[::-1]


def test_filters_hold_across_pages(client, customers):
    expected_ids = customers[1::2][::-1]
    page = client.v1.customers.list({"limit": 4, "email": "c1@example.com"})
    assert [customer.id for customer in page.auto_paging_iter()] == expected_ids


def test_a_cursor_that_the_filter_leaves_out_still_marks_a_place(client, customers):
    even = {"email": "c0@example.com"}
    page = client.v1.customers.list({**even, "starting_after": customers[5]})
    assert ids(page) == [customers[4], customers[2], customers[0]]
    page = client.v1.customers.list({**even, "ending_before": customers[7]})
    assert ids(page) == [customers[10], customers[8]]


@pytest.mark.parametrize(
    ("created", "places"),
    [
        ({"gte": NOW + 600}, [11, 10]),
        ({"gt": NOW + 600}, [11]),
        ({"lt": NOW + 60}, [0]),
        ({"lte": NOW + 60}, [1, 0]),
        ({"gt": NOW + 60, "lt": NOW + 240}, [3, 2]),
        (NOW + 120, [2]),
    ],
)
def test_lists_filter_by_ranges_of_created(client, customers, created, places):
    page = client.v1.customers.list({"created": created})
    assert ids(page) == [customers[place] for place in places]


@pytest.mark.parametrize("limit", [0, 101, -1])
def test_limit_is_between_1_and_100(client, limit):
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.customers.list({"limit": limit})
    assert refused.value.param == "limit"


def test_an_unknown_cursor_is_refused(client):
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.customers.list({"starting_after": "cus_nobody"})
    assert (refused.value.code, refused.value.param) == ("resource_missing", "starting_after")


def test_two_cursors_are_refused(client, customers):
    both = {"starting_after": customers[0], "ending_before": customers[1]}
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.customers.list(both)


def test_deleted_objects_are_not_listed(client, customers):
    client.v1.customers.delete(customers[-1])
    assert customers[-1] not in ids(client.v1.customers.list())
