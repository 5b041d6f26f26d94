"""Create projects, customers, apps and keys."""

from typing import Any

import factory
from django.utils import timezone

from projects.keys import api_keys, bearer_keys
from projects.keys.scopes import ALL_SCOPES, APP_SCOPES
from projects.models import ApiKey, App, Customer, PlatformKey, Project


class ProjectFactory(factory.django.DjangoModelFactory[Project]):
    class Meta:
        model = Project

    name = factory.Sequence(lambda number: f"Project {number}")
    slug = factory.Sequence(lambda number: f"project-{number}")
    sells = ["subscription", "item", "cart"]
    default_currency = "usd"
    return_origins = ["https://app.example.com"]


class CustomerFactory(factory.django.DjangoModelFactory[Customer]):
    class Meta:
        model = Customer

    project = factory.SubFactory(ProjectFactory)
    user_id = factory.Sequence(lambda number: f"user-{number}")
    email = factory.LazyAttribute(lambda row: f"{row.user_id}@example.com")


class AppFactory(factory.django.DjangoModelFactory[App]):
    class Meta:
        model = App

    project = factory.SubFactory(ProjectFactory)
    name = factory.Sequence(lambda number: f"App {number}")
    slug = factory.Sequence(lambda number: f"app-{number}")


def key_of(project: Project, *, scopes: list[str] | None = None, **kwargs: Any) -> str:
    """The secret of a new live key of the project or its ``app``, with every scope by default.

    The project has had it before the test: the log has no event of it.
    """
    every = APP_SCOPES if kwargs.get("app") else ALL_SCOPES
    secret = bearer_keys.make(project.mode)
    ApiKey.objects.create(
        project=project,
        name="test",
        scopes=sorted(set(every if scopes is None else scopes)),
        prefix=secret.prefix,
        digest=secret.digest,
        last_four=secret.last_four,
        **kwargs,
    )
    return secret.value


def platform_key() -> str:
    """The secret of a new platform key."""
    key: tuple[PlatformKey, str] = api_keys.issue_platform(
        name="test", actor="command", at=timezone.now()
    )
    return key[1]
