"""Fixtures of the tests of signed in."""

from typing import Any

import pytest

from projects.models import Project
from tests.api_client import ApiClient
from tests.billing.tenant import Tenant
from tests.factories.entitlements import LimitFactory
from tests.projects.sign_in.tokens import Browser, sign_in


@pytest.fixture
def plans(tenant: Tenant, api: ApiClient, project: Project) -> list[dict[str, Any]]:
    """Pro at 29 with five agents, Team at 99."""
    LimitFactory.create(project=project, code="agents", name="Agents", unit="agents")
    sign_in(api, project)
    pro = tenant.product("Pro", features=[{"feature": "agents", "value": 5}])
    return [tenant.price(pro), tenant.price(tenant.product("Team"), 9900)]


@pytest.fixture
def alice(project: Project, plans: list[dict[str, Any]]) -> Browser:
    return Browser(project)
