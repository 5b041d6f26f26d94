"""Fixtures of the tests of catalog."""

import pytest

from billing.models import StripeAccount
from common import crypto
from projects.models import Project
from sandbox.world import DEFAULT_SECRET_KEY
from tests.api_client import ApiClient
from tests.sandbox_stripe import SandboxStripe


@pytest.fixture
def own(stripe: SandboxStripe, other_project: Project) -> StripeAccount:
    """A project's own account; the sandbox knows it by the same key."""
    account = StripeAccount(project=other_project, name="own", livemode=False)
    account.secret_key = crypto.encrypt(DEFAULT_SECRET_KEY, context=account.key_context)
    account.save()
    return account


@pytest.fixture
def granting_api(api, django_capture_on_commit_callbacks):
    """The project's API client; callbacks of the commit run after each call."""

    class Committing(ApiClient):
        def request(self, *args, **kwargs):
            with django_capture_on_commit_callbacks(execute=True):
                return super().request(*args, **kwargs)

    return Committing(api.key)
