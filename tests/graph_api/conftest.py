import pytest

from billing.models import StripeAccount
from projects.models import Project
from tests.factories.projects import key_of
from tests.graph_api.client import GraphClient
from tests.graph_api.rows import Rows


@pytest.fixture
def graph(project: Project) -> GraphClient:
    """The project's back end, with a key of every scope."""
    return GraphClient(key_of(project))


@pytest.fixture
def rows(project: Project) -> Rows:
    """Rows as Stripe's answers leave them, written without Stripe."""
    account = StripeAccount.objects.create(name="Platform", stripe_id="acct_rows", livemode=False)
    return Rows(project, account)
