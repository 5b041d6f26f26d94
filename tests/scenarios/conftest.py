"""Stories begin on a fixed day and second and end with Stripe and us in agreement.

The day a suite happens to run on must not decide what it proves: months differ in length, and
use of one minute is one event at Stripe. Stories about edges go there by themselves.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
import time_machine

from projects.models import Project
from tests.api_client import ApiClient
from tests.billing.tenant import Json
from tests.billing_fixtures import SandboxStripe
from tests.scenarios.metered_usage import CENTS
from tests.scenarios.story import Story


def next_tenth_of_november(moment: datetime) -> datetime:
    """The next 10 November, 12:00:20 UTC."""
    day = moment.replace(month=11, day=10, hour=12, minute=0, second=20, microsecond=0)
    return day if day > moment else day.replace(year=day.year + 1)


@pytest.fixture
def story(
    api: ApiClient, stripe: SandboxStripe, project: Project, drain: Callable[[], None]
) -> Iterator[Story]:
    start = next_tenth_of_november(datetime.fromtimestamp(stripe.world.clock.now(), tz=UTC))
    stripe.world.clock.move_to(int(start.timestamp()))
    with time_machine.travel(start, tick=False) as traveller:
        tenant_story = Story(
            api=api, stripe=stripe, project=project, traveller=traveller, drain=drain
        )
        yield tenant_story
        tenant_story.process_everything()
        tenant_story.agrees_with_stripe()


@pytest.fixture
def call_price(story: Story) -> Json:
    """A price for each call."""
    story.post("/meters", {"code": "api_calls", "name": "API calls", "aggregation": "sum"})
    return story.price(story.product("Calls"), CENTS, meter="api_calls")
