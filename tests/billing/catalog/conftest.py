"""Fixtures of the tests of catalog."""

import pytest

from tests.api_client import ApiClient


@pytest.fixture
def granting_api(api, django_capture_on_commit_callbacks):
    """The project's API client; callbacks of the commit run after each call."""

    class Committing(ApiClient):
        def request(self, *args, **kwargs):
            with django_capture_on_commit_callbacks(execute=True):
                return super().request(*args, **kwargs)

    return Committing(api.key)
