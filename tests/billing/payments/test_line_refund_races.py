"""Requests that meet refund a line once."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections

from projects.models import Project
from tests.api_client import ApiClient
from tests.billing.payments.line_refunds import (
    allowed,
    create_line_prices,
    line_of,
    refund,
    sell,
    show,
)
from tests.billing.tenant import Tenant
from tests.factories.projects import key_of


@pytest.mark.django_db(transaction=True)
def test_two_parallel_refunds_refund_a_line_once(tenant: Tenant, project: Project) -> None:
    line_prices = create_line_prices(tenant, project)
    paid_cart = sell(tenant, line_prices.values())
    line, secret = line_of(paid_cart, line_prices["import"]), key_of(project)

    def ask(number: int) -> int:
        other = Tenant(ApiClient(secret), tenant.stripe)
        try:
            return int(refund(other, paid_cart, {"line": line}, key=f"r-{number}").status_code)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(max_workers=6) as pool:
        answers = list(pool.map(ask, range(6)))
    assert sorted(answers) == [201, 409, 409, 409, 409, 409]
    assert [each["amount"] for each in tenant.at_stripe("refund")] == [4000]
    assert show(tenant, paid_cart)[line] == (4000, 4000)
    assert allowed(tenant) == {"export"}
