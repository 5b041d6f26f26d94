"""``GET /v1/customers/search`` knows the query language and lags by a minute."""

import pytest
import stripe

from tests.sandbox.refusals import error_of
from tests.sandbox.shop import NOW


@pytest.fixture
def named_customers(shop):
    create = shop.client.v1.customers.create
    customers_by_name = {
        "ada": create(
            {"name": "Ada Lovelace", "email": "ada@example.com", "metadata": {"plan": "big"}}
        ),
        "alan": create(
            {"name": 'Alan "Al" Turing', "email": "alan@example.org", "metadata": {"it's": "odd"}}
        ),
        "nobody": create({"phone": "+15550100"}),
    }
    shop.later(seconds=60)
    return {each.id: name for name, each in customers_by_name.items()}


def search_names(shop, named_customers, query, **params):
    answer = shop.client.v1.customers.search({"query": query, **params})
    return {named_customers[each.id] for each in answer.data}


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ('email:"ada@example.com"', {"ada"}),
        ('email:"ADA@example.com"', {"ada"}),
        ("email:'ada@example.com'", {"ada"}),
        ('email~"example"', {"ada", "alan"}),
        ('name~"lovel"', {"ada"}),
        ('name:"Ada"', set()),
        ('name:"Alan \\"Al\\" Turing"', {"alan"}),
        ('-email~"example"', {"nobody"}),
        ("email:null", {"nobody"}),
        ('metadata["plan"]:"big"', {"ada"}),
        ("metadata['plan']:'big'", {"ada"}),
        ('metadata["it\'s"]:"odd"', {"alan"}),
        ('metadata["plan"]:null', {"alan", "nobody"}),
        ('email~"example" AND name~"alan"', {"alan"}),
        ('email~"example" name~"alan"', {"alan"}),
        ('name~"alan" OR phone:"+15550100"', {"alan", "nobody"}),
        (f"created>={NOW}", {"ada", "alan", "nobody"}),
        (f"created>{NOW}", set()),
        (f'created<={NOW} AND -name~"ada"', {"alan", "nobody"}),
    ],
)
def test_searches_understand_the_query_language(shop, named_customers, query, names):
    assert search_names(shop, named_customers, query) == names


@pytest.mark.parametrize(
    "query",
    [
        "ada",
        "email",
        'email:"ada@example.com" AND',
        'email:"a" AND name:"b" OR phone:"c"',
        '(email:"a")',
        'address:"x"',
        'email~"ad"',
        'metadata["plan"]~"big"',
        'metadata[plan]:"big"',
        "email:ada@example.com",
        'created:"yesterday"',
        " OR ".join(f'name:"{n}"' for n in range(11)),
    ],
)
def test_invalid_searches_are_refused(shop, query):
    with pytest.raises(stripe.InvalidRequestError) as raised:
        shop.client.v1.customers.search({"query": query})
    assert error_of(raised).param == "query"


def test_a_new_customer_is_found_a_minute_later(shop):
    customer = shop.client.v1.customers.create({"email": "new@example.com"})
    search = {"query": 'email:"new@example.com"'}
    assert shop.client.v1.customers.search(search).data == []
    assert [each.id for each in shop.client.v1.customers.list({})] == [customer.id]
    shop.later(seconds=60)
    assert [each.id for each in shop.client.v1.customers.search(search)] == [customer.id]


def test_search_results_have_pages(shop, named_customers):
    query = {"query": f"created>={NOW}", "limit": 2}
    first = shop.client.v1.customers.search(query)
    assert (first.object, len(first.data), first.has_more) == ("search_result", 2, True)
    rest = shop.client.v1.customers.search({**query, "page": first.next_page})
    assert (len(rest.data), rest.has_more, rest.next_page) == (1, False, None)
    every = {each.id for each in shop.client.v1.customers.search(query).auto_paging_iter()}
    assert every == set(named_customers)
