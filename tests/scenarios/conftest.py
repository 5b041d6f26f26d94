"""A story begins on a fixed day and ends with Stripe and us in agreement."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
import time_machine

from projects.models import Project
from tests.api_client import ApiClient
from tests.billing_fixtures import SandboxStripe
from tests.scenarios.story import Story


@pytest.fixture
def story(
    api: ApiClient, stripe: SandboxStripe, project: Project, drain: Callable[[], None]
) -> Iterator[Story]:
    start = datetime.fromtimestamp(stripe.world.clock.now(), tz=UTC)
    with time_machine.travel(start, tick=False) as traveller:
        told = Story(api=api, stripe=stripe, project=project, traveller=traveller, drain=drain)
        yield told
        told.settle()
        told.agrees_with_stripe()
