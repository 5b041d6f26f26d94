from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from console.operators import Role, ensure
from projects.models import Customer, Project
from tests.delivery.mail.smtp_server import SmtpServer
from tests.factories.projects import CustomerFactory


@pytest.fixture
def smtp(settings: Any) -> Iterator[SmtpServer]:
    """A mail server to which this process sends."""
    server = SmtpServer()
    settings.EMAIL_BACKEND = "delivery.mail.smtp.TrackedSmtpBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
    settings.EMAIL_TIMEOUT = 30
    yield server
    server.close()


@pytest.fixture
def ada(project: Project) -> Customer:
    return CustomerFactory.create(
        project=project, user_id="ada", email="ada@example.com", name="Ada", locale="en-GB"
    )


@pytest.fixture
def administrator(db: None) -> Client:
    """A browser in which an administrator of the console has signed in."""
    ensure(username="root", password="a-long-enough-passphrase", role=Role.ADMINISTRATOR)
    client = Client()
    client.force_login(User.objects.get(username="root"))
    return client
