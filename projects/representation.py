"""Projects, apps and customers as JSON, the same in API responses and in events."""

from typing import Annotated, NotRequired, TypedDict

from common.bodies import Metadata, Time, UserId
from common.times import rfc3339
from projects.models import App, Customer, JwtSettings, Project, Sells


class ShownSignInBody(TypedDict):
    """How the project's users sign in, without the secret."""

    jwks_url: str | None
    has_shared_secret: bool
    issuer: str
    audience: str
    algorithms: list[str]


class ProjectBody(TypedDict):
    """A tenant. Its mode, test or live (`livemode`), never changes."""

    id: str
    name: str
    slug: str
    livemode: bool
    sells: list[Annotated[str, Sells]]
    default_currency: str | None
    return_origins: list[str]
    grace_days: int | None
    automatic_tax: bool
    contact_email: Annotated[str, "Empty when unknown."]
    public_plans: Annotated[bool, "Whether `GET /billing/plans` answers without a user's token."]
    workflow_namespace: Annotated[
        str | None, "The Temporal namespace whose workflows your payments signal."
    ]
    requests_per_second: Annotated[
        int | None, "Limit of requests per second; null: the platform's default."
    ]
    checks_per_second: Annotated[
        int | None,
        "Limit of checks, consumption and usage per second; null: the platform's default.",
    ]
    jwt: ShownSignInBody | None
    suspended_at: Time | None
    created_at: Time
    updated_at: Time


class DetectedSettingsBody(TypedDict):
    """The settings that the request did not name and that were chosen for it."""

    slug: NotRequired[str]
    livemode: NotRequired[bool]
    sells: NotRequired[list[str]]
    default_currency: NotRequired[str]


class AppBody(TypedDict):
    """A micro-app of a project. It shares the project's customers and catalog and has its own
    keys."""

    id: str
    name: str
    slug: str
    created_at: Time
    archived_at: Time | None


class CustomerBody(TypedDict):
    """A user of the project."""

    id: str
    user_id: UserId
    email: Annotated[str, "Empty when unknown."]
    name: Annotated[str, "Empty when unknown."]
    locale: Annotated[str, "A BCP 47 tag such as `de-AT`; empty when unknown."]
    metadata: Metadata
    version: Annotated[int, "Increases with every change of the customer or its entitlements."]
    created_at: Time
    updated_at: Time


def project(row: Project, sign_in: JwtSettings | None) -> ProjectBody:
    """A project with its settings."""
    return {
        "id": row.pk,
        "name": row.name,
        "slug": row.slug,
        "livemode": row.livemode,
        "sells": row.sells,
        "default_currency": row.default_currency or None,
        "return_origins": row.return_origins,
        "grace_days": row.grace_days,
        "automatic_tax": row.automatic_tax,
        "contact_email": row.contact_email,
        "public_plans": row.public_plans,
        "workflow_namespace": row.workflow_namespace or None,
        "requests_per_second": row.requests_per_second,
        "checks_per_second": row.checks_per_second,
        "jwt": None if sign_in is None else jwt_settings(sign_in),
        "suspended_at": rfc3339(row.suspended_at),
        "created_at": rfc3339(row.created_at),
        "updated_at": rfc3339(row.updated_at),
    }


def jwt_settings(row: JwtSettings) -> ShownSignInBody:
    """How the project's users sign in, without the shared secret."""
    return {
        "jwks_url": row.jwks_url or None,
        "has_shared_secret": bool(row.shared_secret),
        "issuer": row.issuer,
        "audience": row.audience,
        "algorithms": row.algorithms,
    }


def app(row: App) -> AppBody:
    """A micro-app of a project."""
    return {
        "id": row.pk,
        "name": row.name,
        "slug": row.slug,
        "created_at": rfc3339(row.created_at),
        "archived_at": rfc3339(row.archived_at),
    }


def customer(row: Customer) -> CustomerBody:
    """All public fields of a customer."""
    return {
        "id": row.pk,
        "user_id": row.user_id,
        "email": row.email,
        "name": row.name,
        "locale": row.locale,
        "metadata": row.metadata,
        "version": row.version,
        "created_at": rfc3339(row.created_at),
        "updated_at": rfc3339(row.updated_at),
    }
