"""No tenant's webhooks wait behind those of a tenant with very many."""

import pytest

from benchmarks import skewed_webhooks
from delivery.models import WebhookDelivery
from tests.delivery.webhooks.dispatching import Dispatching
from tests.factories.projects import ProjectFactory

pytestmark = pytest.mark.django_db

SIZES = [400, 9, *[3] * 10]
"""Deliveries of the giant, which have been due for longest, of one in the middle, of small ones."""


def test_the_last_webhook_of_a_small_tenant_comes_in_its_own_third_round(
    dispatching: Dispatching,
) -> None:
    projects = [ProjectFactory.create() for _ in SIZES]
    skewed_webhooks.insert_due_deliveries(projects, SIZES, at=dispatching.at)
    order, _ = skewed_webhooks.take_all(projects, at=dispatching.at)
    assert [order.count(tenant) for tenant in range(len(SIZES))] == SIZES
    assert sorted(order[: len(SIZES)]) == list(range(len(SIZES)))
    last_places = {tenant: place for place, tenant in enumerate(order)}
    small = [last_places[tenant] for tenant in range(2, len(SIZES))]
    assert max(small) < 3 * len(SIZES)
    assert last_places[0] == sum(SIZES) - 1
    states = WebhookDelivery.objects.across_projects().values_list("state", flat=True)
    assert set(states) == {"done"}
